"""The secret with which commands sign webhooks of a source."""

from __future__ import annotations

from launcher.config.config import Config
from launcher.config.environment import as_variable
from launcher.config.secrets import SecretError, secret_path, stored_secret
from launcher.errors import LauncherError
from sources.secret import Secret


class SigningError(LauncherError):
    """There is no secret to sign with."""

    exit_code = 2


def signing_secret(config: Config, source: str) -> Secret:
    """The first configured secret of a source, else the one that `hookline up` generated. Raises SigningError."""
    configured = config.sources[source].secrets
    if configured:
        return configured[0]
    try:
        stored = stored_secret(config.data_dir, source)
    except SecretError as error:
        raise SigningError(str(error)) from None
    if stored is None:
        variable = f"HOOKLINE_SOURCES_{as_variable(source)}_SECRETS"
        raise SigningError(
            f"no secret to sign with for {source}: start `hookline up`, which generates one in "
            f"{secret_path(config.data_dir, source)}, or set {variable}"
        )
    return stored
