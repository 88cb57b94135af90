"""Who asks and how answers are made: what the pages and the API stand on. It knows neither of them."""
