"""What the agent counts, one registry an agent, served at /metrics."""

from device.exposition import Metric, Registry


class DeviceMetrics:
    """The agent's metrics; label values are ports, protocols and fixed words, so their number is bounded."""

    def __init__(self) -> None:  # noqa: PLR0915 - one for each metric
        self.registry = Registry()
        self.info = self._gauge(
            "info", "Which agent this is: the version of its software, and this start", "version", "boot"
        )
        self.resident_bytes = self.registry.gauge("process_resident_memory_bytes", "Octets of memory that it holds")
        self.port_state = self._gauge("port_state", "1 for the state each serial port is in", "port", "state")
        self.port_opens = self._counter("port_opens", "Openings of a serial port", "port", "result")
        self.change_overs_failed = self._counter(
            "change_overs_failed", "Readouts that failed at the rate which the meter proposed and came at 300", "port"
        )
        self.detection_passes = self._counter("detection_passes", "Passes of detection without result", "port")
        self.received_bytes = self._counter("received_bytes", "Bytes read from a port", "port")
        self.skipped_bytes = self._counter("skipped_bytes", "Bytes that belonged to no frame", "port")
        self.frames = self._counter("frames", "Frames from the lines", "protocol", "result")
        self.decode_failures = self._counter("decode_failures", "Telegrams that gave no readings", "reason")
        self.values_refused = self._counter("values_refused", "Values left out of a decoded telegram", "protocol")
        self.samples = self._counter("samples", "Samples taken into bundles", "source")
        self.samples_skipped = self._counter("samples_skipped", "Samples left out by reading_interval_s or as repeats")
        self.frames_left_out = self._counter(
            "frames_left_out", "Raw frames of raw_frames left out by reading_interval_s", "port"
        )
        self.frames_suppressed = self._counter(
            "frames_suppressed", "Raw frames counted, not published", "port", "reason"
        )
        self.history_slices = self._counter(
            "history_slices", "Slices asked of meters' memories, by what came of them", "result"
        )
        self.history_wanted_s = self._gauge(
            "history_wanted_seconds", "How much time is still to be read from meters' memories"
        )
        self.event_logs = self._counter("event_logs", "Event logs asked of meters, by what came of it", "result")
        self.log_entries = self._counter("log_entries", "Entries of meters' event logs that were new")
        self.meter_keys = self._counter("meter_keys", "Messages with keys of meters, by what came of them", "result")
        self.meters_without_key = self._gauge(
            "meters_without_key", "Meters whose telegrams wait for their key, or for the right one", "port"
        )
        self.telegram_changes = self._counter("telegram_changes", "Telegrams that changed for good", "port")
        self.held_frames = self._gauge("held_frames", "Raw frames that wait for a spec", "port")
        self.held_damaged_bytes = self._gauge("held_damaged_bytes", "Damaged octets found among held frames", "port")
        self.published = self._counter("published", "Messages handed to the connection", "kind", "lane")
        self.pubacks = self._counter("pubacks", "Messages that the broker acknowledged", "kind")
        self.publish_failures = self._counter("publish_failures", "Publishes that failed", "reason")
        self.outbox_bytes = self._gauge("outbox_bytes", "Octets in the outbox")
        self.outbox_limit_bytes = self._gauge("outbox_limit_bytes", "The outbox's bound")
        self.outbox_messages = self._gauge("outbox_messages", "Messages that wait for the broker (PUBACK)")
        self.outbox_oldest_age_s = self._gauge("outbox_oldest_age_seconds", "How long the oldest of these has waited")
        self.unconfirmed = self._gauge(
            "outbox_unconfirmed_messages", "Messages that the broker has and wait for a receipt"
        )
        self.unconfirmed_oldest_age_s = self._gauge(
            "outbox_unconfirmed_oldest_age_seconds", "How long the oldest of these has, since the start at most"
        )
        self.receipts = self._counter("receipts", "Receipts of the store that came")
        self.receipts_unknown = self._counter(
            "receipts_unknown", "Ranges of receipts with numbers that no message here carries"
        )
        self.receipts_dropped = self._gauge(
            "receipts_dropped", "Receipts that came faster than they were taken, since the start; they are given again"
        )
        self.confirmed = self._counter("confirmed", "Messages that the store has confirmed")
        self.resent = self._counter("resent", "Messages taken for lost, or sent again as a probe", "why")
        self.outbox_lost = self._gauge(
            "outbox_lost_messages", "Messages lost since the start, by cause; unconfirmed: the broker had them", "cause"
        )
        self.outbox_damaged_bytes = self._gauge(
            "outbox_damaged_bytes", "Torn or damaged octets found since the start, the write-ahead's too"
        )
        self.disk_errors = self._gauge(
            "disk_errors", "Refused writes of the outbox and the write-ahead since the start"
        )
        self.write_ahead_bytes = self._gauge("write_ahead_bytes", "Octets in the write-ahead of what is gathered")
        self.syncs = self._counter("syncs", "Files of the outbox, the write-ahead and held frames synced to disk")
        self.files_damaged = self._counter("files_damaged", "Small files that were found damaged at the start", "file")
        self.applied_version = self._gauge("applied_version", "Version of the parameters in force")
        self.config_refused = self._counter("config_refused", "Desired configurations refused")
        self.config_reverted = self._counter("config_reverted", "Configurations undone for want of readings")
        self.on_probation = self._gauge("on_probation", "1 while a change must still prove itself")
        self.broker_moves = self._counter("broker_moves", "Ways to another address of the broker, by result", "result")
        self.commands = self._counter("commands", "Commands taken", "command", "result")
        self.clock_synced = self._gauge("clock_synced", "1 while the clock is kept by NTP")
        self.clock_off_s = self._gauge(
            "clock_off_seconds", "How far the wall clock is ahead of the platform's; 0 while not proven to be far off"
        )
        self.clock_steps = self._counter("clock_steps", "Steps of the wall clock")
        self.connected = self._gauge("connected", "1 while the broker session stands")
        self.enrolments = self._counter("enrolments", "Requests for a certificate, by what came of them", "result")
        self.certificate_end_s = self._gauge(
            "certificate_end_seconds", "When the certificate for the broker ends, as Unix time; 0 without one"
        )
        self.takeovers = self._gauge("session_takeovers", "Times that another client took over this device's id")
        self.task_failures = self._counter("task_failures", "Tasks that failed and were begun again", "task")

    def _counter(self, name: str, text: str, *labels: str) -> Metric:
        return self.registry.counter(f"wattline_device_{name}", text, *labels)

    def _gauge(self, name: str, text: str, *labels: str) -> Metric:
        return self.registry.gauge(f"wattline_device_{name}", text, *labels)
