"""Parts that the benchmarks share: load, servers, processes, stopwatches and figures."""
