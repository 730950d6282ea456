"""The table of all subcommands of `wattline`: where each stands, and which extra it needs."""

COMMANDS: dict[str, tuple[str, str, str]] = {
    "decode": ("meters.explain.cli:decode", "", "Say what captured bytes of a meter mean."),
    "config": ("cli.config.command:config", "cli", "Get and set parameters of devices or of the fleet."),
    "update": ("cli.updates:update", "cli", "Publish releases to devices in steps, see who runs what, go back."),
    "point": ("cli.points:point", "cli", "List and rename points of delivery."),
    "meter": ("cli.meters:meter", "cli", "Set keys of meters; decide whose one is that two devices register."),
    "spec": ("cli.specs.command:spec", "cli", "List, show, validate, publish and roll out specs."),
    "source": ("cli.sources.command:source", "cli", "Take payloads of third parties: sources, secrets and mappings."),
    "quarantine": ("cli.quarantine:quarantine", "cli", "List, show and retry what could not be taken."),
    "job": ("cli.jobs:job", "cli", "List, show, watch and cancel background jobs."),
    "notify": ("cli.notify.command:notify", "cli", "Tell others what happens: rules, channels, messages on their way."),
    "export": ("cli.export:export", "cli", "Write readings or roll-ups to a CSV or Parquet file."),
    "audit": ("cli.audit:audit", "cli", "Prove that nothing is missing, or name what is."),
    "token": ("cli.tokens:token", "cli", "Make, list and revoke tokens of the API and the console."),
    "claim": ("cli.claims:claim", "cli", "Make, list and revoke claims by which devices enrol."),
    "enrol": ("cli.enrolments:enrol", "cli", "List devices that wait to be let in, let them in, or refuse them."),
    "user": ("cli.users:user", "cli", "Make, list, change and remove people who log in at the console."),
    "migrate": ("store.cli:migrate", "server", "Bring the database to the newest schema."),
    "backup": ("deploy.backup.cli:backup", "server", "Write a backup of database, broker, authority and settings."),
    "restore": ("deploy.backup.cli:restore", "server", "Put a backup back where nothing is."),
    "ca": ("gateway.enrolment.cli:ca", "server", "Make the certificate authority, and servers' certificates."),
    "master-key": ("gateway.keys.cli:master_key", "server", "Make and exchange the key that seals keys of meters."),
    "broker": ("broker.mosquitto.cli:broker", "", "Write Mosquitto's config, and let users in."),
    "ingestor": ("ingestor.__main__:main", "server", "Run the ingestor: topics into TimescaleDB."),
    "bridge": ("intake.bridge.service:main", "server", "Run the bridge: other people's devices by MQTT."),
    "worker": (
        "ingestor.worker.service:main",
        "server",
        "Run the worker: jobs, others' payloads, notifications.",
    ),
    "intake": ("intake.hooks.__main__:main", "server", "Run the intake: webhooks of third parties, kept and answered."),
    "outlet": ("outlet.__main__:main", "server", "Give meters to Home Assistant, and readings to others."),
    "gateway": ("gateway.__main__:main", "server", "Run the config service and its HTTP API."),
    "device": ("deploy.device_command:device", "cli", "Run the agent on a Raspberry Pi; list, show and label devices."),
    "updater": ("device.updater.__main__:main", "device", "Run the updater of a Raspberry Pi's software; install it."),
    "grafana": ("grafana.cli:grafana", "server", "Provision Grafana's dashboards, data source and alerts."),
    "completion": (
        "cli.completion:completion",
        "",
        "Print what makes bash, zsh or fish complete `wattline`.",
    ),
    "simulate": ("device.simulator.__main__:main", "", "Run a simulated meter on a pty."),
}
"""Name: where the click command stands, the extra that it needs, and one line of help."""
ASKING = (
    "config", "update", "point", "meter", "spec", "source", "quarantine", "job", "notify", "export", "audit", "token",
    "user",
    "claim", "enrol", "device",
)  # fmt: skip
"""The commands that ask a gateway."""
ALONE: dict[str, tuple[str, str]] = {"device": ("device.__main__:main", "device")}
"""What a command is without a subcommand, where those load more than that should carry: an agent needs no client of the
API, which would double its memory, and a Pi has none. Name: where it stands, the extra that it needs."""
