"""The source that the options --source and --provider of a command mean."""

from __future__ import annotations

from msgspec import structs

from launcher.commands.body_file import CommandLineError, source_name
from launcher.config.config import Config
from launcher.config.struct_reader import did_you_mean
from sources.settings import Settings
from sources.source_kinds import UnknownKindError, kind_names, provider_of


def chosen_source(config: Config, source: str, provider: str) -> tuple[Config, str]:
    """The name of the source, and the config that has it. Raises CommandLineError.

    `provider` alone means the only source of that kind. Without one, the config gets a source of that name, which
    has no secret yet.
    """
    if provider and provider not in kind_names():
        raise CommandLineError(f"--provider {provider}: no such provider{did_you_mean(provider, kind_names())}")
    if provider and not source:
        of_kind = [name for name, settings in config.sources.items() if settings.kind == provider]
        if len(of_kind) > 1:
            names = " or ".join(f"--source {name}" for name in of_kind)
            raise CommandLineError(
                f"--provider {provider}: several sources have this kind: choose one with {names}"
            )
        source = of_kind[0] if of_kind else provider
        if not of_kind:
            config = structs.replace(config, sources={source: Settings(kind=provider)})
    name = source_name(config, source)
    kind = config.sources[name].kind
    if provider and kind != provider:
        raise CommandLineError(f"--provider {provider}: source {name} has the kind {kind}; give one of the two")
    try:
        provider_of(config.sources[name])
    except UnknownKindError as error:
        raise CommandLineError(f"--provider {provider}: {error}; `hookline init {provider}` writes one") from None
    return config, name
