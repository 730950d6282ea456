"""`wattline intake`: webhooks of third parties, one process or several."""

import gc

import click

from broker.runtime.service import load, run_service
from broker.runtime.settings_help import settings_help
from intake.hooks.settings import IntakeSettings

_COLLECT_AFTER = 50_000
"""Objects made and not freed between two looks of the garbage collector; 700 would be usual."""


@click.command(epilog=settings_help(IntakeSettings), context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--processes", type=click.IntRange(1, 64), help="In place of WATTLINE_INTAKE_PROCESSES.")
def main(processes: int | None) -> None:
    """Take what third parties post at /hooks/SOURCE, and say yes once it is kept, until SIGTERM or SIGINT."""
    settings = load(IntakeSettings)
    if processes is not None:
        settings = settings.model_copy(update={"processes": processes})
    if settings.processes > 1:
        from intake.hooks.processes import run_processes

        run_service("intake", settings, run_processes)
        return
    import uvloop

    from intake.hooks.service import run

    # thousands of posts are under way, which the collector need not look at again and again
    gc.collect()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    # what arrives before TLS begins is lost by uvloop: its transports can't be paused as soon as they are made
    run_service("intake", settings, run, None if settings.tls.certificate else uvloop.new_event_loop)


if __name__ == "__main__":
    main()
