-- What all migrations together make, as pg_dump says it: `make schema` writes it, a test compares it. Nothing reads it.
-- On the Apache edition; functions and views stand in functions/ and editions/.

CREATE TYPE public.pgqueuer_status AS ENUM (
    'queued',
    'picked',
    'successful',
    'exception',
    'canceled',
    'deleted',
    'failed'
);

CREATE TABLE public.profile_day (
    meter_id integer NOT NULL,
    day date NOT NULL,
    CONSTRAINT profile_day_day_check CHECK (((day >= '2000-01-01'::date) AND (day < '2200-01-01'::date)))
);

COMMENT ON TABLE public.profile_day IS 'Days (UTC) that have a reading of a meter''s memory; midnight is of the day that ends and of the one that begins. No foreign key, so that writers lock no meter.';

CREATE TABLE public.device (
    id integer NOT NULL,
    name text NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone,
    online boolean,
    status_at timestamp with time zone,
    boot text,
    software text,
    registration jsonb,
    registered_at timestamp with time zone,
    outbox_at timestamp with time zone,
    outbox_waiting bigint,
    outbox_waiting_for_s double precision,
    outbox_unconfirmed bigint,
    outbox_unconfirmed_for_s double precision,
    CONSTRAINT device_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text))
)
WITH (fillfactor='70');

COMMENT ON TABLE public.device IS 'Devices by their MQTT name; a device appears with its first message or registration.';

COMMENT ON COLUMN public.device.last_seen_at IS 'Receive time of its last stored message, brought up to date about twice a minute.';

COMMENT ON COLUMN public.device.status_at IS 'When the status last changed, in the device''s own time (Status.since).';

COMMENT ON COLUMN public.device.outbox_at IS 'When the device told the figures beside this, by its own clock; null where it never did.';

COMMENT ON COLUMN public.device.outbox_waiting IS 'Messages that the broker did not have.';

COMMENT ON COLUMN public.device.outbox_unconfirmed IS 'Messages that the broker had and the store had not confirmed.';

CREATE TABLE public.ledger_1h (
    bucket timestamp with time zone NOT NULL,
    device_id integer NOT NULL,
    deliveries bigint NOT NULL,
    repeated bigint NOT NULL,
    late bigint NOT NULL,
    healed bigint DEFAULT 0 NOT NULL,
    resent bigint DEFAULT 0 NOT NULL,
    implausible bigint DEFAULT 0 NOT NULL
);

COMMENT ON TABLE public.ledger_1h IS 'ledger_5m by the hour, for questions over a day or more of many devices.';

CREATE TABLE public.ledger_5m (
    bucket timestamp with time zone NOT NULL,
    device_id integer NOT NULL,
    deliveries bigint NOT NULL,
    rows bigint NOT NULL,
    repeated bigint NOT NULL,
    late bigint NOT NULL,
    timed bigint NOT NULL,
    delay_s double precision NOT NULL,
    delay_max_s double precision,
    wait_s double precision NOT NULL,
    wait_max_s double precision NOT NULL,
    healed bigint DEFAULT 0 NOT NULL,
    resent bigint DEFAULT 0 NOT NULL,
    implausible bigint DEFAULT 0 NOT NULL
);

COMMENT ON TABLE public.ledger_5m IS 'Deliveries of each device by five minutes of their receipt: how many, their values, repeats and late ones.';

COMMENT ON COLUMN public.ledger_5m.timed IS 'Deliveries that carry a time; delay_s sums how old it was when it was stored, wait_s from receipt to table.';

COMMENT ON COLUMN public.ledger_5m.healed IS 'Of the late ones those that the device had sent again for want of a receipt: holes that it closed.';

COMMENT ON COLUMN public.ledger_5m.resent IS 'Deliveries of messages that the device sent again, whether they were missing or not.';

COMMENT ON COLUMN public.ledger_5m.implausible IS 'Deliveries by whose number or boot nothing is reckoned, as it can not be right: see ledger_limit().';

CREATE TABLE public.ledger_hole (
    device_id integer NOT NULL,
    boot text NOT NULL,
    low bigint NOT NULL,
    high bigint NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    lost boolean DEFAULT true NOT NULL,
    CONSTRAINT ledger_hole_check CHECK ((high >= low))
);

COMMENT ON TABLE public.ledger_hole IS 'Numbers that have not come though a higher one has; a late message closes its own.';

COMMENT ON COLUMN public.ledger_hole.opened_at IS 'Receipt of the message that came in their place.';

COMMENT ON COLUMN public.ledger_hole.lost IS 'False for what lies before the first that we heard of a boot, which may be older than the ledger.';

CREATE TABLE public.ledger_boot (
    device_id integer NOT NULL,
    boot text NOT NULL,
    highest bigint NOT NULL,
    heard_at timestamp with time zone NOT NULL,
    first_at timestamp with time zone,
    deliveries bigint,
    repeated bigint,
    late bigint,
    healed bigint,
    resent bigint
);

COMMENT ON TABLE public.ledger_boot IS 'The highest number of each boot that was folded in or told of, and its deliveries.';

COMMENT ON COLUMN public.ledger_boot.first_at IS 'Receipt of the first delivery; of what told of it where nothing of it has come.';

CREATE TABLE public.ledger_boot_end (
    device_id integer NOT NULL,
    boot text NOT NULL,
    seq bigint NOT NULL,
    told_at timestamp with time zone NOT NULL,
    folded boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE public.ledger_boot_end IS 'The last number of a boot, as the device''s next one told; what had not come by then is a hole.';

CREATE TABLE public.message (
    received_at timestamp with time zone NOT NULL,
    stored_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    newest_at timestamp with time zone,
    seq bigint NOT NULL,
    device_id integer NOT NULL,
    meter_id integer,
    rows integer NOT NULL,
    kind smallint NOT NULL,
    boot text NOT NULL,
    spec text,
    resent integer
);

COMMENT ON TABLE public.message IS 'The ledger: a row for each delivery of a message of the devices'' common sequence, repeats included.';

COMMENT ON COLUMN public.message.newest_at IS 'The newest plausible time in the message, null where there is none.';

COMMENT ON COLUMN public.message.rows IS 'Values, frames or events that the message carried, stored or quarantined.';

COMMENT ON COLUMN public.message.resent IS 'How often it was sent before without a receipt of the store; null where it says nothing of it.';

CREATE TABLE public.meter_register (
    stay_id integer NOT NULL,
    meter_id integer NOT NULL,
    point_id integer NOT NULL,
    kind text NOT NULL,
    obis text NOT NULL,
    unit text NOT NULL,
    value double precision NOT NULL,
    at timestamp with time zone NOT NULL,
    read_by text,
    CONSTRAINT meter_register_kind_check CHECK ((kind = ANY (ARRAY['opening'::text, 'closing'::text])))
);

COMMENT ON TABLE public.meter_register IS 'The first and the last reading of each register of a stay; readings that come late correct them.';

COMMENT ON COLUMN public.meter_register.read_by IS 'Who read it from the meter at the swap: the stay begins or ends with it. Null: the nearest reading.';

CREATE TABLE public.account (
    id integer NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    password text,
    author text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    last_login_at timestamp with time zone,
    issuer text,
    subject text,
    CONSTRAINT account_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT account_one_login CHECK (((num_nonnulls(password, issuer) = 1) AND ((issuer IS NULL) = (subject IS NULL)))),
    CONSTRAINT account_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'engineer'::text, 'admin'::text])))
);

COMMENT ON TABLE public.account IS 'People who log in by user name and password. No account has the name of a token that lives, so that a name in the audit is one actor''s.';

COMMENT ON COLUMN public.account.password IS 'scrypt$log2(n)$r$p$salt$hash, the last two in base64.';

COMMENT ON COLUMN public.account.changed_at IS 'When role or password were set last; sessions of before are over.';

COMMENT ON COLUMN public.account.issuer IS 'The provider by whose word somebody logs in; NULL where it is a password.';

COMMENT ON COLUMN public.account.subject IS 'Whom the provider means (sub), whatever name it gives them; the role is what it said at the last login.';

ALTER TABLE public.account ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.api_token (
    id integer NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    sha256 bytea NOT NULL,
    author text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_token_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT api_token_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'engineer'::text, 'admin'::text])))
);

COMMENT ON TABLE public.api_token IS 'Tokens of the HTTP API; only the hash of the 256 random bits is kept. A revoked one stays for the audit.';

COMMENT ON COLUMN public.api_token.last_used_at IS 'Brought up to date about once a minute.';

ALTER TABLE public.api_token ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.audit (
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    id bigint NOT NULL,
    actor text NOT NULL,
    role text,
    address text NOT NULL,
    action text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    query text DEFAULT ''::text NOT NULL,
    body text DEFAULT ''::text NOT NULL,
    status integer NOT NULL,
    result text NOT NULL
);

COMMENT ON TABLE public.audit IS 'Each change over HTTP and each refused attempt: who, from where, what, and what came of it.';

COMMENT ON COLUMN public.audit.body IS 'The first thousand characters of what was sent; never a token.';

ALTER TABLE public.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ingest_batch (
    at timestamp with time zone NOT NULL,
    commit_s double precision NOT NULL,
    messages integer NOT NULL,
    rows integer NOT NULL,
    ingestor text NOT NULL
);

COMMENT ON TABLE public.ingest_batch IS 'The ingestors'' transactions of the last week: messages and values, and what writing and commit took.';

COMMENT ON COLUMN public.ingest_batch.at IS 'When it was committed, by the ingestor''s clock.';

CREATE TABLE public.broker_login (
    at timestamp with time zone NOT NULL,
    name text NOT NULL,
    refused boolean NOT NULL,
    times integer NOT NULL,
    CONSTRAINT broker_login_name_check CHECK ((length(name) <= 80)),
    CONSTRAINT broker_login_times_check CHECK ((times > 0))
);

COMMENT ON TABLE public.broker_login IS 'Logins at the broker by minute: of all that were let in the sum (name empty), of those that were refused each, twenty names at most and the rest (*). People who were let in stand by hour. Kept for 30 days.';

COMMENT ON COLUMN public.broker_login.name IS 'The login; of one that was refused the client id that it claimed.';

COMMENT ON COLUMN public.broker_login.times IS 'As the gateway counted that heard most of it.';

CREATE TABLE public.certificate (
    serial text NOT NULL,
    identity text NOT NULL,
    spki_sha256 bytea NOT NULL,
    not_before timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    issued_at timestamp with time zone DEFAULT now() NOT NULL,
    successor_sha256 bytea,
    public_key bytea
);

COMMENT ON TABLE public.certificate IS 'Device certificates that were given out; which identity may log in says credential.';

COMMENT ON COLUMN public.certificate.serial IS 'As hexadecimal digits.';

COMMENT ON COLUMN public.certificate.successor_sha256 IS 'The key that was asked for by this one; no other one follows it. Null: none was.';

COMMENT ON COLUMN public.certificate.public_key IS 'Its public key (DER, SubjectPublicKeyInfo); null of certificates of before, whose requests have it.';

CREATE TABLE public.change (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    device text,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL
);

COMMENT ON TABLE public.change IS 'What happened in the last hour, for live views: devices, desired, reported, events, specs, jobs, commands, stages, software. The gateway trims it.';

ALTER TABLE public.change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.claim (
    name text NOT NULL,
    sha256 bytea NOT NULL,
    site text,
    uses integer NOT NULL,
    used integer DEFAULT 0 NOT NULL,
    until timestamp with time zone NOT NULL,
    approval text NOT NULL,
    author text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    revoked_by text,
    CONSTRAINT claim_approval_check CHECK ((approval = ANY (ARRAY['at_once'::text, 'by_person'::text]))),
    CONSTRAINT claim_check CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
    CONSTRAINT claim_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT claim_site_check CHECK ((site ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT claim_used_check CHECK ((used >= 0)),
    CONSTRAINT claim_uses_check CHECK (((uses >= 1) AND (uses <= 1000000)))
);

COMMENT ON TABLE public.claim IS 'By which devices may enrol: so many, until then. Only the hash of the token''s 256 random bits is kept.';

COMMENT ON COLUMN public.claim.used IS 'Identities that were given by it. A person may let in more than its uses.';

CREATE TABLE public.command (
    id uuid NOT NULL,
    batch uuid NOT NULL,
    device_id integer NOT NULL,
    command text NOT NULL,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    author text NOT NULL,
    reason text,
    gateway text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    published_at timestamp with time zone,
    state text DEFAULT 'sent'::text NOT NULL,
    reply jsonb,
    replied_at timestamp with time zone,
    resend_at timestamp with time zone,
    CONSTRAINT command_state_check CHECK ((state = ANY (ARRAY['sent'::text, 'replied'::text, 'failed'::text, 'refused'::text, 'expired'::text])))
);

COMMENT ON TABLE public.command IS 'Every command to a device: who, when, what, and what came of it. The id is its correlation data.';

COMMENT ON COLUMN public.command.batch IS 'Shared by the commands of one request.';

COMMENT ON COLUMN public.command.gateway IS 'The client id of the gateway that took it; another one publishes it where that one died.';

COMMENT ON COLUMN public.command.published_at IS 'When the broker acknowledged it, the first time.';

COMMENT ON COLUMN public.command.state IS 'A reply that comes after the end of its time still counts: then replied_at is above expires_at.';

COMMENT ON COLUMN public.command.resend_at IS 'When its device connected anew before it had replied: it is published again. Null once it is.';

CREATE TABLE public.desired (
    device_id integer NOT NULL,
    version bigint NOT NULL,
    hash text NOT NULL,
    document jsonb NOT NULL,
    author text NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    announced bigint,
    claimed_by text,
    claimed_until timestamp with time zone,
    CONSTRAINT desired_version_check CHECK ((version >= 1))
);

COMMENT ON TABLE public.desired IS 'The desired configuration of each device; the retained message is its image.';

COMMENT ON COLUMN public.desired.announced IS 'The version that the broker acknowledged; another than version waits to be published.';

COMMENT ON COLUMN public.desired.claimed_by IS 'The gateway that is publishing it, by its client id.';

COMMENT ON COLUMN public.desired.claimed_until IS 'When others may publish it, where that gateway has not let go of it.';

CREATE TABLE public.reported (
    device_id integer NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    reasons jsonb DEFAULT '[]'::jsonb NOT NULL,
    effective jsonb NOT NULL,
    specs jsonb DEFAULT '{}'::jsonb NOT NULL,
    boot text NOT NULL,
    at timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    in_force bigint,
    probation boolean DEFAULT false NOT NULL,
    watched text[],
    held_back text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT reported_state_check CHECK ((state = ANY (ARRAY['applied'::text, 'refused'::text, 'reverted'::text])))
);

COMMENT ON TABLE public.reported IS 'What each device last said it applied, refused or went back from; version is the one it spoke of.';

COMMENT ON COLUMN public.reported.in_force IS 'The version that effective and specs belong to; null from agents that do not tell it.';

COMMENT ON COLUMN public.reported.probation IS 'In force, and still to prove itself by readings.';

COMMENT ON COLUMN public.reported.watched IS 'Meters of which the first good reading is waited for while on probation; null from agents that do not tell it.';

COMMENT ON COLUMN public.reported.held_back IS 'Fields of the reverted version that are as the last good one had them.';

CREATE TABLE public.console_session (
    sha256 bytea NOT NULL,
    token_id integer,
    proof bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    account_id integer,
    CONSTRAINT console_session_check CHECK ((num_nonnulls(proof, token_id, account_id) = 1))
);

COMMENT ON TABLE public.console_session IS 'Browsers that are logged in, by the hash of their cookie.';

COMMENT ON COLUMN public.console_session.proof IS 'Of the token in the gateway''s settings: its HMAC under the cookie, so that another setting ends the session.';

CREATE TABLE public.credential (
    identity text NOT NULL,
    device text NOT NULL,
    kind text NOT NULL,
    granted_at timestamp with time zone DEFAULT now() NOT NULL,
    granted_by text NOT NULL,
    revoked_at timestamp with time zone,
    revoked_by text,
    reason text,
    CONSTRAINT credential_check CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
    CONSTRAINT credential_identity_check CHECK (((length(identity) >= 1) AND (length(identity) <= 80))),
    CONSTRAINT credential_kind_check CHECK ((kind = ANY (ARRAY['certificate'::text, 'password'::text])))
);

COMMENT ON TABLE public.credential IS 'Who may log in at the broker as which device; whoever writes it tells wattline_credentials in the same transaction.';

COMMENT ON COLUMN public.credential.identity IS 'The user name at the broker: the device id, or device~2, device~3 of later enrolments; a certificate''s CN.';

CREATE TABLE public.delivery_claim (
    delivery uuid NOT NULL,
    claimed_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.delivery_claim IS 'Frames, quarantined payloads and devices'' events that are entered: a second claim finds the first, and enters nothing.';

CREATE TABLE public.desired_history (
    device_id integer NOT NULL,
    version bigint NOT NULL,
    hash text NOT NULL,
    document jsonb NOT NULL,
    author text NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.desired_history IS 'Every desired configuration that was ever published.';

CREATE TABLE public.device_boot (
    device_id integer NOT NULL,
    boot text NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    last_registered_at timestamp with time zone NOT NULL,
    hardware_serial text,
    hardware_model text,
    software text
);

COMMENT ON TABLE public.device_boot IS 'The starts of each device''s agent that have registered lately; first_at and last_at are its own time.';

ALTER TABLE public.device ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.device_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.device_labels (
    device_id integer NOT NULL,
    labels jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    author text NOT NULL,
    reason text,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.device_labels IS 'Labels that people gave to devices; each change is an event, version is for ETags.';

CREATE TABLE public.device_twin (
    device_id integer NOT NULL,
    since timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    told_at timestamp with time zone,
    alternations integer DEFAULT 1 NOT NULL,
    boots jsonb NOT NULL
);

COMMENT ON TABLE public.device_twin IS 'Devices whose id two agents use at once: an earlier boot registered again after a later one.';

CREATE TABLE public.meter (
    id integer NOT NULL,
    key text NOT NULL,
    device_id integer,
    parent_id integer,
    manufacturer text,
    product text,
    serial text,
    firmware text,
    protocol text,
    port text,
    spec text,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    installed_at timestamp with time zone,
    removed_at timestamp with time zone,
    point_id integer,
    CONSTRAINT meter_key_check CHECK ((key ~ '^[!-~]{1,96}$'::text))
);

COMMENT ON TABLE public.meter IS 'Physical meters by key (FLAG:serial); a swapped meter gets removed_at and the new one a row of its own.';

COMMENT ON COLUMN public.meter.spec IS 'The spec in use, as name@version.';

COMMENT ON COLUMN public.meter.point_id IS 'The point where it stands, or stood last.';

CREATE TABLE public.quota_day (
    day date NOT NULL,
    device_id integer,
    quota text NOT NULL,
    used bigint DEFAULT 0 NOT NULL,
    cut bigint DEFAULT 0 NOT NULL,
    cut_bytes bigint DEFAULT 0 NOT NULL,
    allowed bigint,
    cut_at timestamp with time zone,
    told_at timestamp with time zone
);

COMMENT ON TABLE public.quota_day IS 'Each device''s use of its quotas by UTC day; device_id is null for what was sent outside any device''s topics.';

COMMENT ON COLUMN public.quota_day.used IS 'Pieces or bytes taken; 0 for a share of the present (messages, bytes, control), of which only what is cut is counted.';

COMMENT ON COLUMN public.quota_day.cut IS 'Messages, meters or series that were not taken.';

COMMENT ON COLUMN public.quota_day.cut_bytes IS 'Bytes of the messages that were not taken; who kept them may send them again.';

COMMENT ON COLUMN public.quota_day.allowed IS 'What was allowed a day; null for a share of the present.';

COMMENT ON COLUMN public.quota_day.cut_at IS 'When something was cut last.';

COMMENT ON COLUMN public.quota_day.told_at IS 'When the event quota_exceeded was entered.';

CREATE TABLE public.series (
    id integer NOT NULL,
    meter_id integer NOT NULL,
    obis text NOT NULL,
    unit text NOT NULL,
    kind text NOT NULL
);

COMMENT ON TABLE public.series IS 'One measured quantity of one meter; unit is canonical and empty for dimensionless codes.';

COMMENT ON COLUMN public.series.kind IS 'register, instantaneous, interval, maximum, counter, status, or unknown where the catalogue has no such code.';

COMMENT ON COLUMN public.energy_series.counts IS 'These together are the meter''s energy: its total register, or its tariffs where it has none.';

COMMENT ON COLUMN public.energy_series.billed IS 'These together are what is paid for: its tariffs, or its total register where it has none.';

CREATE TABLE public.enrolment (
    id bigint NOT NULL,
    device text NOT NULL,
    hardware text NOT NULL,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    spki_sha256 bytea NOT NULL,
    csr bytea NOT NULL,
    claim text,
    address text NOT NULL,
    state text NOT NULL,
    reason text,
    identity text,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    last_asked_at timestamp with time zone DEFAULT now() NOT NULL,
    decided_at timestamp with time zone,
    decided_by text,
    CONSTRAINT enrolment_check CHECK (((state = 'issued'::text) = (identity IS NOT NULL))),
    CONSTRAINT enrolment_check1 CHECK (((state = 'waiting'::text) = (decided_at IS NULL))),
    CONSTRAINT enrolment_check2 CHECK (((decided_at IS NULL) = (decided_by IS NULL))),
    CONSTRAINT enrolment_device_check CHECK ((device ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT enrolment_hardware_check CHECK (((length(hardware) >= 1) AND (length(hardware) <= 64))),
    CONSTRAINT enrolment_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'issued'::text, 'refused'::text])))
);

COMMENT ON TABLE public.enrolment IS 'What devices asked for: one row for each key of a device on one hardware, and what was decided.';

COMMENT ON COLUMN public.enrolment.hardware IS 'By which the same machine is known again: a Pi''s serial number, or a hash of the machine id. The device says it.';

COMMENT ON COLUMN public.enrolment.claim IS 'By which claim it asked; null for a renewal that came from another hardware.';

COMMENT ON COLUMN public.enrolment.reason IS 'Why it waits, or was refused.';

COMMENT ON COLUMN public.enrolment.decided_by IS 'A person, or enrolment where the claim''s policy decided.';

ALTER TABLE public.enrolment ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.enrolment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.event (
    received_at timestamp with time zone NOT NULL,
    at timestamp with time zone NOT NULL,
    device_id integer,
    meter_id integer,
    source text NOT NULL,
    event text NOT NULL,
    severity text NOT NULL,
    boot text,
    seq bigint,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT event_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'error'::text]))),
    CONSTRAINT event_source_check CHECK ((source = ANY (ARRAY['device'::text, 'ingestor'::text, 'gateway'::text])))
);

COMMENT ON TABLE public.event IS 'Diagnostics of devices and of the services themselves.';

CREATE TABLE public.frame (
    received_at timestamp with time zone NOT NULL,
    id bigint NOT NULL,
    device_id integer,
    meter_id integer,
    topic text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    detail text,
    port text,
    protocol text,
    at timestamp with time zone,
    hints jsonb DEFAULT '{}'::jsonb NOT NULL,
    data bytea NOT NULL,
    delivery uuid NOT NULL,
    resolved_at timestamp with time zone,
    CONSTRAINT frame_kind_check CHECK ((kind = ANY (ARRAY['frame'::text, 'payload'::text])))
);

COMMENT ON TABLE public.frame IS 'Quarantine: raw frames from devices (kind frame) and payloads or values the contract refuses (kind payload).';

COMMENT ON COLUMN public.frame.delivery IS 'Hash that names one delivery, so that the same one given again is not entered twice.';

COMMENT ON COLUMN public.frame.resolved_at IS 'When a retry stored all of it; the row and its bytes stay.';

ALTER TABLE public.frame ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.frame_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.gateway_gauge (
    gateway text NOT NULL,
    gauge text NOT NULL,
    of text DEFAULT ''::text NOT NULL,
    value double precision NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.gateway_gauge IS 'Each gateway''s newest figures: metrics that a board or an alert shows, without their wattline_gateway_.';

CREATE TABLE public.gateway_waiting (
    gateway text NOT NULL,
    topic text NOT NULL,
    payload bytea NOT NULL,
    kept_at timestamp with time zone DEFAULT now() NOT NULL,
    dealt_at timestamp with time zone,
    marked_at timestamp with time zone
);

COMMENT ON TABLE public.gateway_waiting IS 'Messages that wait their turn at a gateway, which reads its own at its start.';

COMMENT ON COLUMN public.gateway_waiting.dealt_at IS 'The time of the registration or report of that device that was dealt with last as this one was kept, 1970 where none was; null from gateways of before.';

COMMENT ON COLUMN public.gateway_waiting.marked_at IS 'When dealt_at was written; where kept_at is another time, a gateway that knows no marks has kept the message.';

CREATE TABLE public.ingestor_link (
    ingestor text NOT NULL,
    caught_up_at timestamp with time zone NOT NULL,
    noted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE public.ingestor_link IS 'When each ingestor last had all that the broker had for it: what devices had sent by then is stored, or about to be.';

COMMENT ON COLUMN public.ingestor_link.noted_at IS 'When it last said so; of one that has been silent for an hour nothing is waited for.';

CREATE TABLE public.installation (
    name text NOT NULL,
    value text NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE public.installation IS 'What migrate last found: timescaledb_edition (apache or timescale), versions.';

CREATE TABLE public.job (
    id bigint NOT NULL,
    kind text DEFAULT 'redecode'::text NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    spec text DEFAULT ''::text NOT NULL,
    since timestamp with time zone,
    automatic boolean DEFAULT false NOT NULL,
    author text NOT NULL,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    worker uuid,
    attempts integer DEFAULT 0 NOT NULL,
    last_frame bigint,
    total_frames bigint,
    cursor_meter integer,
    cursor_received_at timestamp with time zone,
    cursor_frame bigint,
    frames bigint DEFAULT 0 NOT NULL,
    undecodable bigint DEFAULT 0 NOT NULL,
    readings bigint DEFAULT 0 NOT NULL,
    repeated bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    note text,
    error text,
    selection jsonb,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    priority smallint DEFAULT 0 NOT NULL,
    key text,
    schedule text,
    not_before timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    deaths integer DEFAULT 0 NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    total bigint,
    saved jsonb,
    result jsonb,
    CONSTRAINT job_kind_check CHECK ((kind ~ '^[a-z][a-z0-9_]{0,31}$'::text)),
    CONSTRAINT job_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
);

COMMENT ON TABLE public.job IS 'Work beside the requests, such as kept frames decoded again into history; kept for 90 days.';

COMMENT ON COLUMN public.job.kind IS 'What is done: a name of store/kinds, which the workers know how to do.';

COMMENT ON COLUMN public.job.spec IS 'Of kept frames: what decodes them; empty of the kinds that need none.';

COMMENT ON COLUMN public.job.since IS 'Frames that the device took before are left out; null takes all.';

COMMENT ON COLUMN public.job.automatic IS 'Queued because meters got the spec: those that have another by now are left out.';

COMMENT ON COLUMN public.job.worker IS 'Who has it in hand: a worker that finds another one here has lost it and writes nothing.';

COMMENT ON COLUMN public.job.attempts IS 'How often a worker took it up.';

COMMENT ON COLUMN public.job.last_frame IS 'The newest frame when it was first taken up; later ones are not its concern.';

COMMENT ON COLUMN public.job.cursor_frame IS 'The last frame done, with cursor_meter and cursor_received_at: where the next worker goes on.';

COMMENT ON COLUMN public.job.frames IS 'Frames done, undecodable ones included.';

COMMENT ON COLUMN public.job.readings IS 'Readings that were new to history; `repeated` were there already, `refused` went to quarantine.';

COMMENT ON COLUMN public.job.note IS 'What was wrong with the first frame that could not be decoded.';

COMMENT ON COLUMN public.job.selection IS 'Of a retry: which payloads in quarantine, by cause, device, time (until) and number; null where all.';

COMMENT ON COLUMN public.job.arguments IS 'What it was asked for, as its kind''s model says; never a secret.';

COMMENT ON COLUMN public.job.priority IS 'Those of a higher one are taken first.';

COMMENT ON COLUMN public.job.key IS 'What it is about, by its kind: as long as the row is kept there is no second one of the same key.';

COMMENT ON COLUMN public.job.schedule IS 'The name of the schedule that asked for it.';

COMMENT ON COLUMN public.job.not_before IS 'When it may be taken: later than at once where it is tried again after a failure.';

COMMENT ON COLUMN public.job.failures IS 'How often it failed; its kind says how often it may before it is dead (failed).';

COMMENT ON COLUMN public.job.deaths IS 'How often its worker died over it since it last got further.';

COMMENT ON COLUMN public.job.done IS 'How far it is, of total, in its kind''s own units; null total where nobody knows it yet.';

COMMENT ON COLUMN public.job.saved IS 'Where the next worker goes on, as its kind wrote it with the work itself.';

COMMENT ON COLUMN public.job.result IS 'What came of it, as its kind says it.';

CREATE TABLE public.job_file (
    id bigint NOT NULL,
    job_id bigint,
    name text NOT NULL,
    media text NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    sha256 text,
    complete boolean DEFAULT false NOT NULL,
    author text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.job_file IS 'Files that jobs make (exports) and read (imports): bounded, and gone when they expire.';

COMMENT ON COLUMN public.job_file.job_id IS 'The job that made it; null of one that somebody sent, until a job reads it.';

COMMENT ON COLUMN public.job_file.complete IS 'Whether all of it is there; what is not belongs to nobody who is still at it.';

ALTER TABLE public.job_file ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.job_file_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.job_file_part (
    file_id bigint NOT NULL,
    part integer NOT NULL,
    data bytea NOT NULL
);

COMMENT ON TABLE public.job_file_part IS 'Its bytes, some 1 MiB each, from part 0 on.';

ALTER TABLE public.job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.job_meter (
    job_id bigint NOT NULL,
    meter_id integer NOT NULL,
    frames bigint DEFAULT 0 NOT NULL,
    undecodable bigint DEFAULT 0 NOT NULL,
    first_at timestamp with time zone,
    last_at timestamp with time zone
);

COMMENT ON TABLE public.job_meter IS 'The meters of a job, with the times of the first and last reading that their frames gave, sub-meters'' included.';

CREATE TABLE public.job_schedule (
    name text NOT NULL,
    kind text NOT NULL,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    cron text NOT NULL,
    zone text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    author text NOT NULL,
    reason text,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    next_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone,
    last_job bigint,
    error text,
    CONSTRAINT job_schedule_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,47}$'::text))
);

COMMENT ON TABLE public.job_schedule IS 'Jobs that are asked for by the clock: one worker asks for each, once for each time.';

COMMENT ON COLUMN public.job_schedule.cron IS 'Minute, hour, day of month, month, day of week, by the clock of zone.';

COMMENT ON COLUMN public.job_schedule.next_at IS 'When it is due; times that passed while no worker ran are one job.';

COMMENT ON COLUMN public.job_schedule.error IS 'Why the last time gave no job.';

CREATE TABLE public.key_delivery (
    device_id integer NOT NULL,
    version bigint NOT NULL,
    content text NOT NULL,
    recipient bytea,
    payload bytea,
    meters text[] NOT NULL,
    sealed_at timestamp with time zone DEFAULT now() NOT NULL,
    announced bigint,
    CONSTRAINT key_delivery_version_check CHECK ((version >= 1))
);

COMMENT ON TABLE public.key_delivery IS 'The retained message by which each device is given the keys of its meters, sealed to its certificate''s key.';

COMMENT ON COLUMN public.key_delivery.content IS 'Meters and revisions of their keys that it holds.';

COMMENT ON COLUMN public.key_delivery.recipient IS 'SHA-256 of the public key that it is sealed to; null where the device has none.';

COMMENT ON COLUMN public.key_delivery.payload IS 'Null where there is nothing that it could be sealed to: then nothing is retained.';

COMMENT ON COLUMN public.key_delivery.announced IS 'The version that the broker acknowledged; another than version waits to be published.';

CREATE TABLE public.reading (
    "time" timestamp with time zone NOT NULL,
    value double precision NOT NULL,
    series_id integer NOT NULL,
    source smallint NOT NULL
);

COMMENT ON TABLE public.reading IS 'Values by time and series, in the series'' unit. No foreign key: the ingestor takes series_id from series.';

CREATE TABLE public.reading_source (
    id smallint NOT NULL,
    source text NOT NULL,
    clock text NOT NULL
);

COMMENT ON TABLE public.reading_source IS 'What reading.source says: where a reading came from, and which clock its time is from.';

CREATE TABLE public.message_kind (
    id smallint NOT NULL,
    kind text NOT NULL
);

COMMENT ON TABLE public.message_kind IS 'What message.kind says, by the names of the contract.';

CREATE TABLE public.ledger_state (
    only_row boolean DEFAULT true NOT NULL,
    noted_until timestamp with time zone NOT NULL,
    folded_until timestamp with time zone NOT NULL,
    CONSTRAINT ledger_state_check CHECK ((folded_until <= noted_until)),
    CONSTRAINT ledger_state_only_row_check CHECK (only_row)
);

COMMENT ON COLUMN public.ledger_state.noted_until IS 'Deliveries received before it are noted in ledger_late when they are stored.';

COMMENT ON COLUMN public.ledger_state.folded_until IS 'All that was received before it and is not in ledger_late is in ledger_5m.';

COMMENT ON COLUMN public.ledger_boot_overview.unheard IS 'Numbers before the first that was heard of it: they may be older than the ledger.';

COMMENT ON COLUMN public.ledger_boot_overview.ended_seq IS 'Its last number, as the next boot told; null where none has told.';

CREATE TABLE public.ledger_late (
    received_at timestamp with time zone NOT NULL,
    stored_at timestamp with time zone NOT NULL,
    newest_at timestamp with time zone,
    seq bigint NOT NULL,
    device_id integer NOT NULL,
    meter_id integer,
    rows integer NOT NULL,
    kind smallint NOT NULL,
    boot text NOT NULL,
    spec text,
    resent integer
);

COMMENT ON TABLE public.ledger_late IS 'Deliveries stored after their time was given up for summing up; counted by the next fold.';

CREATE TABLE public.ledger_skipped (
    at timestamp with time zone DEFAULT now() NOT NULL,
    device_id integer NOT NULL,
    since timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    error text NOT NULL
);

COMMENT ON TABLE public.ledger_skipped IS 'Deliveries of a device that could not be summed up, and were left out so that all others are.';

CREATE TABLE public.mapping_turn (
    source text NOT NULL,
    worker uuid NOT NULL,
    open boolean NOT NULL,
    first_id bigint NOT NULL,
    last_id bigint NOT NULL,
    until_id bigint NOT NULL,
    deaths integer NOT NULL
);

COMMENT ON TABLE public.mapping_turn IS 'The turn of a source that a worker has in hand, or had last; who maps a source holds an advisory lock of its name.';

COMMENT ON COLUMN public.mapping_turn.open IS 'Its worker has not ended it: found open by another one, the worker died in it.';

COMMENT ON COLUMN public.mapping_turn.first_id IS 'The first payload of the turn, last_id the last one.';

COMMENT ON COLUMN public.mapping_turn.until_id IS 'A worker died in a turn up to here: until then payloads are taken one by one.';

COMMENT ON COLUMN public.mapping_turn.deaths IS 'How many workers died over first_id, taken alone.';

CREATE TABLE public.meter_claim (
    meter_id integer NOT NULL,
    device_id integer NOT NULL,
    since timestamp with time zone NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    shown boolean DEFAULT true NOT NULL,
    disputed_at timestamp with time zone,
    refused_at timestamp with time zone,
    refused_by text,
    check_at timestamp with time zone DEFAULT now() NOT NULL,
    told_at timestamp with time zone
);

COMMENT ON TABLE public.meter_claim IS 'Devices that register a meter which stands at another device''s port: they wait until that one is silent, gives it up, or a person decides.';

COMMENT ON COLUMN public.meter_claim.since IS 'Since when the device says that it hears the meter; claimed_at: since when we know that.';

COMMENT ON COLUMN public.meter_claim.shown IS 'Whether its newest registration shows the meter.';

COMMENT ON COLUMN public.meter_claim.disputed_at IS 'When it was found that the owner had read the meter after the claim: then it takes a longer silence. It stays so, also where the claim is made anew.';

ALTER TABLE public.meter ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.meter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.meter_key (
    meter_id integer NOT NULL,
    kinds text[] NOT NULL,
    sealed bytea NOT NULL,
    master text NOT NULL,
    fingerprint text NOT NULL,
    device_id integer NOT NULL,
    revision bigint NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT meter_key_kinds_check CHECK (((cardinality(kinds) > 0) AND (kinds <@ ARRAY['encryption'::text, 'authentication'::text, 'password'::text])))
);

COMMENT ON TABLE public.meter_key IS 'Keys by which ciphered telegrams of meters are read, sealed (AES-256-GCM): nobody reads them by the database alone.';

COMMENT ON COLUMN public.meter_key.kinds IS 'Which keys are sealed in it.';

COMMENT ON COLUMN public.meter_key.master IS 'Which master key sealed it, by its own fingerprint.';

COMMENT ON COLUMN public.meter_key.fingerprint IS 'By which the same keys are known again; it can be reckoned with the master key alone.';

COMMENT ON COLUMN public.meter_key.device_id IS 'The device at whose port the meter stood when a person set the key: another one is not given it without a person''s word.';

COMMENT ON COLUMN public.meter_key.revision IS 'Rises with each change of a key.';

ALTER TABLE public.meter_key ALTER COLUMN revision ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.meter_key_revision_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.meter_move (
    id bigint NOT NULL,
    meter_id integer NOT NULL,
    from_device_id integer,
    to_device_id integer,
    at timestamp with time zone NOT NULL,
    from_at timestamp with time zone NOT NULL,
    decided_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    why text DEFAULT 'registered'::text NOT NULL,
    author text DEFAULT 'system'::text NOT NULL,
    retry_at timestamp with time zone DEFAULT now(),
    retries_left smallint DEFAULT 2 NOT NULL,
    CONSTRAINT meter_move_check CHECK ((from_at <= at)),
    CONSTRAINT meter_move_why_check CHECK ((why = ANY (ARRAY['registered'::text, 'given_up'::text, 'silent'::text, 'person'::text])))
);

COMMENT ON TABLE public.meter_move IS 'Each time that a meter went from one device to another: what was read before `at` is the one''s, the rest the other''s.';

COMMENT ON COLUMN public.meter_move.from_device_id IS 'NULL where it had been nobody''s, and so anybody''s; to_device_id: where it is from then on.';

COMMENT ON COLUMN public.meter_move.from_at IS 'The other''s readings count from then on, as the meter''s clock may be slow: never before what the one has told.';

COMMENT ON COLUMN public.meter_move.why IS 'given_up: the one no longer showed it; silent: nothing of it came from the one; person: author said so; registered: an older gateway.';

COMMENT ON COLUMN public.meter_move.retry_at IS 'When to take in again what the new device sent while it waited; null once that is done.';

COMMENT ON COLUMN public.meter_move.retries_left IS 'How often yet: what an ingestor judged just before the move may reach quarantine just after it.';

ALTER TABLE public.meter_move ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.meter_move_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.spec (
    name text NOT NULL,
    version integer NOT NULL,
    document jsonb NOT NULL,
    source text NOT NULL,
    sha256 text NOT NULL,
    generic boolean DEFAULT false NOT NULL,
    author text DEFAULT 'system'::text NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    reason text,
    CONSTRAINT spec_version_check CHECK ((version >= 1))
);

COMMENT ON TABLE public.spec IS 'Published specs, immutable: a change is a new version.';

COMMENT ON COLUMN public.spec.source IS 'The text as its author wrote it; document is the same as JSON.';

COMMENT ON COLUMN public.spec.reason IS 'Why its author published it.';

CREATE TABLE public.meter_stay (
    id integer NOT NULL,
    point_id integer NOT NULL,
    meter_id integer NOT NULL,
    installed_at timestamp with time zone NOT NULL,
    removed_at timestamp with time zone,
    opened_by text,
    closed_by text,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    check_at timestamp with time zone DEFAULT now(),
    told_at timestamp with time zone,
    CONSTRAINT meter_stay_check CHECK ((removed_at >= installed_at))
);

COMMENT ON TABLE public.meter_stay IS 'When which meter stood at which point; a meter that comes back has another stay.';

COMMENT ON COLUMN public.meter_stay.opened_by IS 'Boot of the agent whose registration showed the meter there; closed_by: of the one that no longer did.';

COMMENT ON COLUMN public.meter_stay.changed_at IS 'When the gateway opened or closed it; installed_at and removed_at are the device''s time.';

COMMENT ON COLUMN public.meter_stay.check_at IS 'When its registers are looked for again: readings may come late. Null: never again.';

COMMENT ON COLUMN public.meter_stay.told_at IS 'received_at of its event meter_swapped, null where it followed no other meter.';

ALTER TABLE public.meter_stay ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.meter_stay_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.point (
    id integer NOT NULL,
    name text NOT NULL,
    device_id integer NOT NULL,
    port text NOT NULL,
    channel text DEFAULT ''::text NOT NULL,
    slot integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT point_name_check CHECK (((length(name) >= 1) AND (length(name) <= 1000))),
    CONSTRAINT point_slot_check CHECK ((slot >= 1))
);

COMMENT ON TABLE public.point IS 'Points of delivery: a port of a device, or an M-Bus channel behind it; meters come and go, the point stays.';

COMMENT ON COLUMN public.point.channel IS 'The M-Bus channel of a meter behind another, empty for the meter at the port itself.';

COMMENT ON COLUMN public.point.slot IS 'Meters that share one line have a point each: the first is 1.';

CREATE TABLE public.notice_channel (
    name text NOT NULL,
    kind text NOT NULL,
    shown text NOT NULL,
    sealed bytea NOT NULL,
    master text NOT NULL,
    author text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone,
    answer text,
    answered_at timestamp with time zone,
    CONSTRAINT notice_channel_kind_check CHECK ((kind = ANY (ARRAY['webhook'::text, 'apprise'::text]))),
    CONSTRAINT notice_channel_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text))
);

COMMENT ON TABLE public.notice_channel IS 'Where notifications go: a URL with its secrets, sealed.';

COMMENT ON COLUMN public.notice_channel.shown IS 'The URL without its secrets, for people.';

COMMENT ON COLUMN public.notice_channel.master IS 'Which master key sealed it, by its fingerprint.';

COMMENT ON COLUMN public.notice_channel.failures IS 'Attempts since the last that went well.';

COMMENT ON COLUMN public.notice_channel.not_before IS 'While it fails: when it is tried again.';

COMMENT ON COLUMN public.notice_channel.answer IS 'What the other side said last.';

CREATE TABLE public.notice_delivery (
    id uuid NOT NULL,
    rule text,
    channel text NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    event jsonb NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    tries_left integer NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    taken_until timestamp with time zone,
    answer text,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT notice_delivery_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sent'::text, 'dead'::text])))
);

COMMENT ON TABLE public.notice_delivery IS 'Messages: each goes out at least once, by the same id; dead ones wait for a person.';

COMMENT ON COLUMN public.notice_delivery.rule IS 'Null of a test by hand.';

COMMENT ON COLUMN public.notice_delivery.event IS 'The CloudEvent.';

COMMENT ON COLUMN public.notice_delivery.taken_until IS 'A worker sends it; behind this time it is taken that it died.';

CREATE TABLE public.notice_event (
    id bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    at timestamp with time zone NOT NULL,
    device_id integer,
    meter_id integer,
    event text NOT NULL,
    severity text NOT NULL,
    detail jsonb NOT NULL
);

COMMENT ON TABLE public.notice_event IS 'Events that some rule is about, from their transaction until the rules have taken them.';

ALTER TABLE public.notice_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notice_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.notice_found (
    rule text NOT NULL,
    subject text NOT NULL,
    device text,
    meter text,
    severity text NOT NULL,
    since timestamp with time zone NOT NULL,
    value double precision,
    detail text NOT NULL,
    lasting boolean NOT NULL,
    found_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    told_at timestamp with time zone,
    over_at timestamp with time zone
);

COMMENT ON TABLE public.notice_found IS 'What a rule has found: events until they are told, and states (lasting) until it is told that they are over.';

COMMENT ON COLUMN public.notice_found.subject IS 'What it is the same by: of an event its number, of a state the device or meter.';

CREATE SEQUENCE public.notice_missed
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

COMMENT ON SEQUENCE public.notice_missed IS 'Counts events that no rule was given, as 100 000 waited and no worker took them.';

CREATE TABLE public.notice_rule (
    name text NOT NULL,
    channel text NOT NULL,
    enabled boolean NOT NULL,
    events text[] NOT NULL,
    document jsonb NOT NULL,
    author text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    told_at timestamp with time zone,
    more bigint DEFAULT 0 NOT NULL,
    CONSTRAINT notice_rule_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text))
);

COMMENT ON TABLE public.notice_rule IS 'What is told to which channel, as a document of store/notices/rules.py.';

COMMENT ON COLUMN public.notice_rule.events IS 'The names of the events that it is about, as LIKE takes them.';

COMMENT ON COLUMN public.notice_rule.told_at IS 'When it spoke last.';

COMMENT ON COLUMN public.notice_rule.more IS 'Events that are only counted, as too many waited; the next message says so.';

CREATE TABLE public.outlet_cursor (
    name text NOT NULL,
    since timestamp with time zone NOT NULL,
    xid xid8 DEFAULT '0'::xid8 NOT NULL,
    span_id bigint DEFAULT 0 NOT NULL,
    seeded boolean DEFAULT false NOT NULL,
    made_in xid8 DEFAULT pg_current_xact_id() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT outlet_cursor_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,47}$'::text))
);

COMMENT ON TABLE public.outlet_cursor IS 'Outputs that want each reading, and how far each is: without one that was seen of late nobody notes spans.';

COMMENT ON COLUMN public.outlet_cursor.since IS 'Readings from then on are given; those of before this row are entered as spans once (seeded).';

COMMENT ON COLUMN public.outlet_cursor.xid IS 'The transaction, and span_id the span in it, up to which all is given.';

COMMENT ON COLUMN public.outlet_cursor.made_in IS 'Transactions that began before it may not have seen it: seeding waits for them.';

COMMENT ON COLUMN public.outlet_cursor.seen_at IS 'When the output last looked. One that was away for more than a week is seeded again, from then on.';

CREATE TABLE public.stored_span (
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    from_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL,
    series integer[] NOT NULL,
    CONSTRAINT stored_span_check CHECK ((until_at >= from_at))
);

COMMENT ON TABLE public.stored_span IS 'Readings of these series between these times, both among them, were stored; kept until every output has given them.';

COMMENT ON COLUMN public.stored_span.xid IS 'By it spans are read in the order of commits: those below the oldest running transaction are all there.';

CREATE TABLE public.parameter_document (
    id integer NOT NULL,
    scope text NOT NULL,
    version integer NOT NULL,
    document jsonb NOT NULL,
    author text NOT NULL,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT parameter_document_scope_check CHECK ((scope ~ '^(fleet|(group|device):[A-Za-z0-9][A-Za-z0-9._-]{0,63})$'::text)),
    CONSTRAINT parameter_document_version_check CHECK ((version >= 1))
);

COMMENT ON TABLE public.parameter_document IS 'Each version of each layer of parameters, with its author; the highest version of a scope holds.';

ALTER TABLE public.parameter_document ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.parameter_document_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.parameter_group (
    name text NOT NULL,
    selector text NOT NULL,
    priority integer NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    author text NOT NULL,
    reason text,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    removed_at timestamp with time zone,
    CONSTRAINT parameter_group_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT parameter_group_priority_check CHECK (((priority >= 0) AND (priority <= 1000000)))
);

COMMENT ON TABLE public.parameter_group IS 'Groups by label selector; of groups that overlap the one with the higher priority wins, at a tie the later name.';

CREATE TABLE public.parameter_stage (
    id integer NOT NULL,
    scope text NOT NULL,
    base integer NOT NULL,
    document jsonb NOT NULL,
    changes text[] NOT NULL,
    steps text[] NOT NULL,
    step integer DEFAULT 0 NOT NULL,
    settle_s double precision NOT NULL,
    timeout_s double precision NOT NULL,
    max_failed double precision NOT NULL,
    state text NOT NULL,
    why text,
    author text NOT NULL,
    reason text,
    result integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    step_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT parameter_stage_base_check CHECK ((base >= 0)),
    CONSTRAINT parameter_stage_max_failed_check CHECK (((max_failed >= (0)::double precision) AND (max_failed <= (100)::double precision))),
    CONSTRAINT parameter_stage_scope_check CHECK ((scope ~ '^(fleet|group:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$'::text)),
    CONSTRAINT parameter_stage_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'done'::text, 'rolled_back'::text, 'aborted'::text]))),
    CONSTRAINT parameter_stage_step_check CHECK ((step >= 0)),
    CONSTRAINT parameter_stage_steps_check CHECK ((cardinality(steps) >= 1))
);

COMMENT ON TABLE public.parameter_stage IS 'Staged changes of a scope''s parameters; while one is open its devices have `document` in place of the scope''s layer.';

COMMENT ON COLUMN public.parameter_stage.base IS 'The scope''s version that the document was made from; 0 where it had none.';

COMMENT ON COLUMN public.parameter_stage.step IS 'The step in hand, from 0.';

COMMENT ON COLUMN public.parameter_stage.max_failed IS 'Percent of the devices that have the change: more failures than that roll it back.';

COMMENT ON COLUMN public.parameter_stage.result IS 'The scope''s version that the change became.';

CREATE TABLE public.parameter_stage_device (
    stage_id integer NOT NULL,
    device_id integer NOT NULL,
    step integer NOT NULL,
    version bigint,
    reads boolean DEFAULT false NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    why text,
    given_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_at timestamp with time zone,
    software bigint,
    CONSTRAINT parameter_stage_device_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'applied'::text, 'healthy'::text, 'unchanged'::text, 'unreachable'::text, 'failed'::text])))
);

COMMENT ON TABLE public.parameter_stage_device IS 'Devices that a staged change was given to, and how they took it.';

COMMENT ON COLUMN public.parameter_stage_device.version IS 'The desired version that carried it; null where it changed nothing for the device.';

COMMENT ON COLUMN public.parameter_stage_device.reads IS 'Whether readings of it came before, so that their staying out counts against the change.';

COMMENT ON COLUMN public.parameter_stage_device.software IS 'The version of the desired software that carried it; null where it changed none for the device.';

ALTER TABLE public.parameter_stage ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.parameter_stage_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.parameter_unsupported (
    device_id integer NOT NULL,
    parameters text[] NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.parameter_unsupported IS 'Parameters that some layer sets for a device and that its software does not know: they are left out for it.';

CREATE TABLE public.payload (
    id bigint NOT NULL,
    source text NOT NULL,
    key text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    content_type text DEFAULT ''::text NOT NULL,
    topic text,
    body bytea,
    state text DEFAULT 'waiting'::text NOT NULL,
    version integer,
    readings integer DEFAULT 0 NOT NULL,
    events integer DEFAULT 0 NOT NULL,
    reason text,
    mapped_at timestamp with time zone,
    came_at timestamp with time zone,
    digest bytea,
    CONSTRAINT payload_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'unmapped'::text, 'mapped'::text])))
);

COMMENT ON TABLE public.payload IS 'What third parties sent and were told is kept; the row stays after it was mapped, so that a repeat is known by its key.';

COMMENT ON COLUMN public.payload.source IS 'No foreign key, so that writers lock no source.';

COMMENT ON COLUMN public.payload.key IS 'The sender''s idempotency key, else the SHA-256 of the body in hex.';

COMMENT ON COLUMN public.payload.content_type IS 'As the sender said it; the body is as it was sent, but for its compression.';

COMMENT ON COLUMN public.payload.topic IS 'The MQTT topic, of what came by one.';

COMMENT ON COLUMN public.payload.body IS 'Null once it was mapped and kept long enough.';

COMMENT ON COLUMN public.payload.state IS 'waiting for the worker; unmapped: no mapping made anything of it, a new version tries again; mapped.';

COMMENT ON COLUMN public.payload.version IS 'The version of the mapping that was tried last.';

COMMENT ON COLUMN public.payload.reason IS 'Why it is unmapped, naming the field.';

COMMENT ON COLUMN public.payload.came_at IS 'When it came, where it waited for the database: its readings without a time of their own are of then.';

COMMENT ON COLUMN public.payload.digest IS 'The SHA-256 of the body, which tells another body under a key from a repeat when the body is gone; null of older rows.';

ALTER TABLE public.payload ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.payload_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.pgqueuer (
    id bigint NOT NULL,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    execute_after timestamp with time zone DEFAULT now() NOT NULL,
    status public.pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer DEFAULT 0 NOT NULL,
    slot bigint
);

CREATE SEQUENCE public.pgqueuer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_id_seq OWNED BY public.pgqueuer.id;

CREATE TABLE public.pgqueuer_log (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    job_id bigint NOT NULL,
    status public.pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);

ALTER TABLE public.pgqueuer_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.pgqueuer_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.pgqueuer_schedules (
    id bigint NOT NULL,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    next_run timestamp with time zone DEFAULT now() NOT NULL,
    last_run timestamp with time zone,
    status public.pgqueuer_status DEFAULT 'queued'::public.pgqueuer_status
);

CREATE SEQUENCE public.pgqueuer_schedules_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_schedules_id_seq OWNED BY public.pgqueuer_schedules.id;

CREATE TABLE public.pgqueuer_statistics (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT date_trunc('sec'::text, now()) NOT NULL,
    count bigint NOT NULL,
    priority integer NOT NULL,
    status public.pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);

CREATE SEQUENCE public.pgqueuer_statistics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_statistics_id_seq OWNED BY public.pgqueuer_statistics.id;

ALTER TABLE public.point ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.point_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.profile_check (
    meter_id integer NOT NULL,
    day date NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT profile_check_day_check CHECK (((day >= '2000-01-01'::date) AND (day < '2200-01-01'::date)))
);

COMMENT ON TABLE public.profile_check IS 'Days (UTC) of which intervals of energy came from a meter''s memory, until its load profile was compared with its registers. No foreign key, so that writers lock no meter.';

COMMENT ON COLUMN public.profile_check.noted_at IS 'When some came last: what is read in slices is compared once all of it is there.';

CREATE TABLE public.rolled_15m (
    bucket timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    first_value double precision NOT NULL,
    last_value double precision NOT NULL,
    min_value double precision NOT NULL,
    max_value double precision NOT NULL,
    sum_value double precision NOT NULL,
    readings bigint NOT NULL,
    series_id integer NOT NULL,
    decimals integer NOT NULL
);

COMMENT ON TABLE public.rolled_15m IS 'What view rollup_15m has before rollup_shown(step); the ingestor writes it.';

CREATE TABLE public.rolled_1d (
    bucket timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    first_value double precision NOT NULL,
    last_value double precision NOT NULL,
    min_value double precision NOT NULL,
    max_value double precision NOT NULL,
    sum_value double precision NOT NULL,
    readings bigint NOT NULL,
    series_id integer NOT NULL,
    decimals integer NOT NULL
);

COMMENT ON TABLE public.rolled_1d IS 'As rolled_15m, of whole days of store_zone().';

CREATE TABLE public.rolled_1h (
    bucket timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    first_value double precision NOT NULL,
    last_value double precision NOT NULL,
    min_value double precision NOT NULL,
    max_value double precision NOT NULL,
    sum_value double precision NOT NULL,
    readings bigint NOT NULL,
    series_id integer NOT NULL,
    decimals integer NOT NULL
);

COMMENT ON TABLE public.rolled_1h IS 'As rolled_15m, of whole hours.';

CREATE TABLE public.rolled_1mo (
    bucket timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    first_value double precision NOT NULL,
    last_value double precision NOT NULL,
    min_value double precision NOT NULL,
    max_value double precision NOT NULL,
    sum_value double precision NOT NULL,
    readings bigint NOT NULL,
    series_id integer NOT NULL,
    decimals integer NOT NULL
);

COMMENT ON TABLE public.rolled_1mo IS 'As rolled_15m, of whole months of store_zone().';

CREATE TABLE public.spec_rollout (
    name text NOT NULL,
    version integer NOT NULL,
    state text NOT NULL,
    audience text DEFAULT ''::text NOT NULL,
    limits jsonb DEFAULT '{}'::jsonb NOT NULL,
    author text NOT NULL,
    reason text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    figures jsonb DEFAULT '{}'::jsonb NOT NULL,
    judged_at timestamp with time zone,
    CONSTRAINT spec_rollout_state_check CHECK ((state = ANY (ARRAY['canary'::text, 'released'::text, 'withdrawn'::text])))
);

COMMENT ON TABLE public.spec_rollout IS 'Published specs that are or were for a part of the fleet, or were withdrawn; one without a row is for all.';

COMMENT ON COLUMN public.spec_rollout.limits IS 'Where it is judged otherwise than the gateway''s settings say.';

COMMENT ON COLUMN public.spec_rollout.started_at IS 'When it was last given to an audience after having none; what was before does not count against it.';

CREATE TABLE public.spec_rollout_meter (
    name text NOT NULL,
    version integer NOT NULL,
    meter_id integer NOT NULL,
    before text,
    desired bigint NOT NULL,
    given_at timestamp with time zone DEFAULT now() NOT NULL,
    left_at timestamp with time zone
);

COMMENT ON TABLE public.spec_rollout_meter IS 'Meters that were given a version of a rollout: which spec they had before, by which desired version, from when to when.';

CREATE TABLE public.rollup_late (
    series_id integer NOT NULL,
    hour timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.rollup_late IS 'Hours of series that got readings after they were rolled up, to be rolled up again.';

CREATE TABLE public.rollup_state (
    only_row boolean DEFAULT true NOT NULL,
    noted_until timestamp with time zone NOT NULL,
    shown_until timestamp with time zone NOT NULL,
    CONSTRAINT rollup_state_check CHECK ((shown_until <= noted_until)),
    CONSTRAINT rollup_state_only_row_check CHECK (only_row)
);

COMMENT ON COLUMN public.rollup_state.noted_until IS 'Readings that are stored before it are noted in rollup_late.';

COMMENT ON COLUMN public.rollup_state.shown_until IS 'Views take what lies before it from the tables rolled_*, and the rest from the readings.';

CREATE TABLE public.schema_migration (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.series ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.series_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.shelf_revision (
    only_row boolean DEFAULT true NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT shelf_revision_only_row_check CHECK (only_row)
);

COMMENT ON TABLE public.shelf_revision IS 'Rises with each change of what is published, deprecated, rolled out or withdrawn.';

CREATE TABLE public.software_desired (
    device_id integer NOT NULL,
    version bigint NOT NULL,
    document jsonb,
    author text NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    announced bigint,
    claimed_by text,
    claimed_until timestamp with time zone,
    CONSTRAINT software_desired_version_check CHECK ((version >= 1))
);

COMMENT ON TABLE public.software_desired IS 'Which software each device is to run; the retained message is its image.';

COMMENT ON COLUMN public.software_desired.document IS 'Null where nothing is desired any more: the broker then holds no message.';

COMMENT ON COLUMN public.software_desired.announced IS 'The version that the broker acknowledged; another than version waits to be published.';

COMMENT ON COLUMN public.software_desired.claimed_by IS 'The gateway that is publishing it, by its client id.';

COMMENT ON COLUMN public.software_desired.claimed_until IS 'When others may publish it, where that gateway has not let go of it.';

CREATE TABLE public.software_history (
    id bigint NOT NULL,
    device_id integer NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    release text NOT NULL,
    running text NOT NULL,
    reasons jsonb DEFAULT '[]'::jsonb NOT NULL,
    octets bigint NOT NULL,
    seconds double precision NOT NULL,
    at timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.software_history IS 'Each state that software of a device came into, the newest 200 of a device.';

ALTER TABLE public.software_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.software_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.software_reported (
    device_id integer NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    release text NOT NULL,
    running text NOT NULL,
    reasons jsonb DEFAULT '[]'::jsonb NOT NULL,
    octets bigint NOT NULL,
    seconds double precision NOT NULL,
    at timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    memory text DEFAULT ''::text NOT NULL,
    number bigint DEFAULT 0 NOT NULL,
    CONSTRAINT software_reported_state_check CHECK ((state = ANY (ARRAY['refused'::text, 'waiting'::text, 'fetching'::text, 'trial'::text, 'confirmed'::text, 'rolled_back'::text])))
);

COMMENT ON TABLE public.software_reported IS 'What each device''s updater last said became of the software that it is to run.';

COMMENT ON COLUMN public.software_reported.running IS 'The release in force.';

COMMENT ON COLUMN public.software_reported.octets IS 'Fetched for this version.';

COMMENT ON COLUMN public.software_reported.seconds IS 'From the coming of this version to this state.';

COMMENT ON COLUMN public.software_reported.since IS 'When this version came into this state, by the platform''s clock.';

COMMENT ON COLUMN public.software_reported.memory IS 'The memory of the updater that number counts in, empty of one that does not count.';

COMMENT ON COLUMN public.software_reported.number IS 'Rises with each report of one memory.';

CREATE TABLE public.source (
    name text NOT NULL,
    kind text NOT NULL,
    version integer,
    enabled boolean DEFAULT true NOT NULL,
    device_id integer NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    secret bytea,
    master text,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT source_kind_check CHECK ((kind = ANY (ARRAY['hook'::text, 'mqtt'::text, 'file'::text]))),
    CONSTRAINT source_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,47}$'::text))
);

COMMENT ON TABLE public.source IS 'A third party that sends payloads: by HTTP (hook), by foreign MQTT topics (mqtt), or as files.';

COMMENT ON COLUMN public.source.version IS 'The version of its mapping in force; null until it has one: its payloads are kept until then.';

COMMENT ON COLUMN public.source.device_id IS 'The device that stands for it in the fleet: its meters are this one''s, as those at a Pi''s ports are the Pi''s.';

COMMENT ON COLUMN public.source.settings IS 'How it proves itself, and its limits: a document of gateway/sources, read by the intake.';

COMMENT ON COLUMN public.source.secret IS 'What it signs with, sealed by the master key that stands beside the services and never here.';

COMMENT ON COLUMN public.source.master IS 'Which master key sealed it, by its fingerprint.';

CREATE TABLE public.source_mapping (
    source text NOT NULL,
    version integer NOT NULL,
    document text NOT NULL,
    sha256 text NOT NULL,
    author text NOT NULL,
    reason text,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT source_mapping_version_check CHECK ((version >= 1))
);

COMMENT ON TABLE public.source_mapping IS 'How payloads become readings and events, as YAML with goldens; immutable by version.';

CREATE TABLE public.source_proposal (
    id bigint NOT NULL,
    broker text NOT NULL,
    key text NOT NULL,
    origin text NOT NULL,
    name text NOT NULL,
    topics text[] NOT NULL,
    document text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    source text,
    decided_by text,
    decided_at timestamp with time zone,
    first_at timestamp with time zone DEFAULT now() NOT NULL,
    last_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT source_proposal_origin_check CHECK ((origin = ANY (ARRAY['homeassistant'::text, 'topics'::text]))),
    CONSTRAINT source_proposal_state_check CHECK ((state = ANY (ARRAY['open'::text, 'accepted'::text, 'refused'::text])))
);

COMMENT ON TABLE public.source_proposal IS 'Sources that the bridge proposes of what foreign devices announce and publish; an engineer takes or refuses them.';

COMMENT ON COLUMN public.source_proposal.key IS 'What tells it from others at its broker: a device by its own identifier, a shipped mapping by its name.';

COMMENT ON COLUMN public.source_proposal.origin IS 'homeassistant: the device announced itself; topics: a shipped mapping reads what is published.';

COMMENT ON COLUMN public.source_proposal.name IS 'The name that the source would have.';

COMMENT ON COLUMN public.source_proposal.topics IS 'What the source would subscribe to; none for the topics of its mapping.';

COMMENT ON COLUMN public.source_proposal.document IS 'The mapping that it would have, as YAML.';

COMMENT ON COLUMN public.source_proposal.detail IS 'The device, its meters, and of what else it announces why that is no reading.';

COMMENT ON COLUMN public.source_proposal.source IS 'The source that was made of it.';

ALTER TABLE public.source_proposal ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.source_proposal_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.spec_deprecation (
    name text NOT NULL,
    version integer NOT NULL,
    author text NOT NULL,
    reason text,
    deprecated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.spec_deprecation IS 'Published specs that are given to no meter anew; those that have one keep it until a successor.';

CREATE TABLE public.spec_draft (
    name text NOT NULL,
    version integer NOT NULL,
    document jsonb NOT NULL,
    source text NOT NULL,
    sha256 text NOT NULL,
    generic boolean DEFAULT false NOT NULL,
    author text NOT NULL,
    reason text,
    saved_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT spec_draft_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT spec_draft_version_check CHECK ((version >= 1))
);

COMMENT ON TABLE public.spec_draft IS 'Specs that are being written; a draft may change until it is published, and then leaves this table.';

CREATE TABLE public.spec_rollout_step (
    id bigint NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    state text NOT NULL,
    audience text NOT NULL,
    author text NOT NULL,
    reason text,
    figures jsonb DEFAULT '{}'::jsonb NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.spec_rollout_step IS 'What people and the system did with a rollout.';

ALTER TABLE public.spec_rollout_step ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.spec_rollout_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.store_kept (
    what text NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT store_kept_what_check CHECK ((what = ANY (ARRAY['readings'::text, 'rollup_15m'::text])))
);

COMMENT ON TABLE public.store_kept IS 'From when on readings and quarter-hours are whole: retention has taken some of what lies before.';

CREATE TABLE public.store_setting (
    name text NOT NULL,
    value text NOT NULL,
    set_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.store_setting IS 'Settings of the store by name, as docs/STORE.md lists them; `wattline migrate` checks and applies them.';

ALTER TABLE public.stored_span ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.stored_span_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.upkeep_lease (
    only_row boolean DEFAULT true NOT NULL,
    holder text,
    expires_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT upkeep_lease_only_row_check CHECK (only_row)
);

COMMENT ON TABLE public.upkeep_lease IS 'The ingestor that sums up, rolls up and drops what is old, until when unless it renews that.';

ALTER TABLE ONLY public.pgqueuer ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_id_seq'::regclass);

ALTER TABLE ONLY public.pgqueuer_schedules ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_schedules_id_seq'::regclass);

ALTER TABLE ONLY public.pgqueuer_statistics ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_statistics_id_seq'::regclass);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_name_key UNIQUE (name);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_subject UNIQUE (issuer, subject);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_sha256_key UNIQUE (sha256);

ALTER TABLE ONLY public.broker_login
    ADD CONSTRAINT broker_login_pkey PRIMARY KEY (at, name, refused);

ALTER TABLE ONLY public.certificate
    ADD CONSTRAINT certificate_pkey PRIMARY KEY (serial);

ALTER TABLE ONLY public.change
    ADD CONSTRAINT change_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.command
    ADD CONSTRAINT command_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.console_session
    ADD CONSTRAINT console_session_pkey PRIMARY KEY (sha256);

ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (identity);

ALTER TABLE ONLY public.delivery_claim
    ADD CONSTRAINT delivery_claim_pkey PRIMARY KEY (delivery);

ALTER TABLE ONLY public.desired_history
    ADD CONSTRAINT desired_history_pkey PRIMARY KEY (device_id, version);

ALTER TABLE ONLY public.desired
    ADD CONSTRAINT desired_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.device_boot
    ADD CONSTRAINT device_boot_pkey PRIMARY KEY (device_id, boot);

ALTER TABLE ONLY public.device_labels
    ADD CONSTRAINT device_labels_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_name_key UNIQUE (name);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.device_twin
    ADD CONSTRAINT device_twin_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_device_hardware_spki_sha256_key UNIQUE (device, hardware, spki_sha256);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.gateway_gauge
    ADD CONSTRAINT gateway_gauge_pkey PRIMARY KEY (gateway, gauge, of);

ALTER TABLE ONLY public.gateway_waiting
    ADD CONSTRAINT gateway_waiting_pkey PRIMARY KEY (gateway, topic);

ALTER TABLE ONLY public.ingestor_link
    ADD CONSTRAINT ingestor_link_pkey PRIMARY KEY (ingestor);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.job_file_part
    ADD CONSTRAINT job_file_part_pkey PRIMARY KEY (file_id, part);

ALTER TABLE ONLY public.job_file
    ADD CONSTRAINT job_file_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.job_meter
    ADD CONSTRAINT job_meter_pkey PRIMARY KEY (job_id, meter_id);

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.job_schedule
    ADD CONSTRAINT job_schedule_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.key_delivery
    ADD CONSTRAINT key_delivery_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.ledger_boot_end
    ADD CONSTRAINT ledger_boot_end_pkey PRIMARY KEY (device_id, boot);

ALTER TABLE ONLY public.ledger_boot
    ADD CONSTRAINT ledger_boot_pkey PRIMARY KEY (device_id, boot);

ALTER TABLE ONLY public.ledger_hole
    ADD CONSTRAINT ledger_hole_pkey PRIMARY KEY (device_id, boot, low);

ALTER TABLE ONLY public.ledger_state
    ADD CONSTRAINT ledger_state_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.mapping_turn
    ADD CONSTRAINT mapping_turn_pkey PRIMARY KEY (source);

ALTER TABLE ONLY public.message_kind
    ADD CONSTRAINT message_kind_kind_key UNIQUE (kind);

ALTER TABLE ONLY public.message_kind
    ADD CONSTRAINT message_kind_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.meter_claim
    ADD CONSTRAINT meter_claim_pkey PRIMARY KEY (meter_id, device_id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_key_key UNIQUE (key);

ALTER TABLE ONLY public.meter_key
    ADD CONSTRAINT meter_key_pkey PRIMARY KEY (meter_id);

ALTER TABLE ONLY public.meter_move
    ADD CONSTRAINT meter_move_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.meter_register
    ADD CONSTRAINT meter_register_pkey PRIMARY KEY (stay_id, kind, obis, unit);

ALTER TABLE ONLY public.meter_stay
    ADD CONSTRAINT meter_stay_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notice_channel
    ADD CONSTRAINT notice_channel_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.notice_delivery
    ADD CONSTRAINT notice_delivery_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notice_event
    ADD CONSTRAINT notice_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notice_found
    ADD CONSTRAINT notice_found_pkey PRIMARY KEY (rule, subject);

ALTER TABLE ONLY public.notice_rule
    ADD CONSTRAINT notice_rule_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.outlet_cursor
    ADD CONSTRAINT outlet_cursor_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.parameter_document
    ADD CONSTRAINT parameter_document_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.parameter_document
    ADD CONSTRAINT parameter_document_scope_version_key UNIQUE (scope, version);

ALTER TABLE ONLY public.parameter_group
    ADD CONSTRAINT parameter_group_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.parameter_stage_device
    ADD CONSTRAINT parameter_stage_device_pkey PRIMARY KEY (stage_id, device_id);

ALTER TABLE ONLY public.parameter_stage
    ADD CONSTRAINT parameter_stage_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.parameter_unsupported
    ADD CONSTRAINT parameter_unsupported_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.payload
    ADD CONSTRAINT payload_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payload
    ADD CONSTRAINT payload_source_key_key UNIQUE (source, key);

ALTER TABLE ONLY public.pgqueuer_log
    ADD CONSTRAINT pgqueuer_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer
    ADD CONSTRAINT pgqueuer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer_schedules
    ADD CONSTRAINT pgqueuer_schedules_expression_entrypoint_key UNIQUE (expression, entrypoint);

ALTER TABLE ONLY public.pgqueuer_schedules
    ADD CONSTRAINT pgqueuer_schedules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer_statistics
    ADD CONSTRAINT pgqueuer_statistics_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.point
    ADD CONSTRAINT point_device_id_port_channel_slot_key UNIQUE (device_id, port, channel, slot);

ALTER TABLE ONLY public.point
    ADD CONSTRAINT point_name_key UNIQUE (name);

ALTER TABLE ONLY public.point
    ADD CONSTRAINT point_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.profile_check
    ADD CONSTRAINT profile_check_pkey PRIMARY KEY (meter_id, day);

ALTER TABLE ONLY public.profile_day
    ADD CONSTRAINT profile_day_pkey PRIMARY KEY (meter_id, day);

ALTER TABLE ONLY public.quota_day
    ADD CONSTRAINT quota_day_key UNIQUE NULLS NOT DISTINCT (day, device_id, quota);

ALTER TABLE ONLY public.reading_source
    ADD CONSTRAINT reading_source_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.reading_source
    ADD CONSTRAINT reading_source_source_clock_key UNIQUE (source, clock);

ALTER TABLE ONLY public.reported
    ADD CONSTRAINT reported_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.rollup_state
    ADD CONSTRAINT rollup_state_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_meter_id_obis_unit_key UNIQUE (meter_id, obis, unit);

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.shelf_revision
    ADD CONSTRAINT shelf_revision_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.software_desired
    ADD CONSTRAINT software_desired_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.software_history
    ADD CONSTRAINT software_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.software_reported
    ADD CONSTRAINT software_reported_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.source
    ADD CONSTRAINT source_device_id_key UNIQUE (device_id);

ALTER TABLE ONLY public.source_mapping
    ADD CONSTRAINT source_mapping_pkey PRIMARY KEY (source, version);

ALTER TABLE ONLY public.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.source_proposal
    ADD CONSTRAINT source_proposal_broker_key_key UNIQUE (broker, key);

ALTER TABLE ONLY public.source_proposal
    ADD CONSTRAINT source_proposal_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.spec_deprecation
    ADD CONSTRAINT spec_deprecation_pkey PRIMARY KEY (name, version);

ALTER TABLE ONLY public.spec_draft
    ADD CONSTRAINT spec_draft_pkey PRIMARY KEY (name, version);

ALTER TABLE ONLY public.spec
    ADD CONSTRAINT spec_pkey PRIMARY KEY (name, version);

ALTER TABLE ONLY public.spec_rollout_meter
    ADD CONSTRAINT spec_rollout_meter_pkey PRIMARY KEY (name, version, meter_id);

ALTER TABLE ONLY public.spec_rollout
    ADD CONSTRAINT spec_rollout_pkey PRIMARY KEY (name, version);

ALTER TABLE ONLY public.spec_rollout_step
    ADD CONSTRAINT spec_rollout_step_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.store_kept
    ADD CONSTRAINT store_kept_pkey PRIMARY KEY (what);

ALTER TABLE ONLY public.store_setting
    ADD CONSTRAINT store_setting_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.stored_span
    ADD CONSTRAINT stored_span_pkey PRIMARY KEY (xid, id);

ALTER TABLE ONLY public.upkeep_lease
    ADD CONSTRAINT upkeep_lease_pkey PRIMARY KEY (only_row);

CREATE UNIQUE INDEX api_token_name ON public.api_token USING btree (name) WHERE (revoked_at IS NULL);

CREATE INDEX audit_at_idx ON public.audit USING btree (at DESC);

CREATE INDEX certificate_identity ON public.certificate USING btree (identity, issued_at);

CREATE INDEX change_at ON public.change USING btree (at);

CREATE INDEX change_xid_id ON public.change USING btree (xid, id);

CREATE INDEX command_batch ON public.command USING btree (batch);

CREATE INDEX command_created_at ON public.command USING btree (created_at DESC, id);

CREATE INDEX command_device_id ON public.command USING btree (device_id, created_at DESC);

CREATE INDEX command_in_flight ON public.command USING btree (expires_at) INCLUDE (device_id) WHERE (state = 'sent'::text);

CREATE INDEX command_open ON public.command USING btree (batch) WHERE (state = 'sent'::text);

CREATE INDEX credential_device ON public.credential USING btree (device);

CREATE INDEX delivery_claim_claimed_at ON public.delivery_claim USING brin (claimed_at) WITH (pages_per_range='16', autosummarize='on');

CREATE INDEX desired_unannounced ON public.desired USING btree (published_at) WHERE (announced IS DISTINCT FROM version);

CREATE INDEX enrolment_claim ON public.enrolment USING btree (claim) WHERE (state = 'waiting'::text);

CREATE INDEX enrolment_identity ON public.enrolment USING btree (identity);

CREATE INDEX enrolment_waiting ON public.enrolment USING btree (id) WHERE (state = 'waiting'::text);

CREATE INDEX event_device_id ON public.event USING btree (device_id, boot, seq);

CREATE INDEX event_received_at_idx ON public.event USING btree (received_at DESC);

CREATE INDEX frame_device_id ON public.frame USING btree (device_id, received_at DESC);

CREATE INDEX frame_id ON public.frame USING btree (id);

CREATE INDEX frame_meter_id ON public.frame USING btree (meter_id, received_at DESC) WHERE (kind = 'frame'::text);

CREATE INDEX frame_received_at_idx ON public.frame USING btree (received_at DESC);

CREATE UNIQUE INDEX ingest_batch_at_ingestor ON public.ingest_batch USING btree (at, ingestor);

CREATE INDEX job_ended ON public.job USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE INDEX job_file_expires_at ON public.job_file USING btree (expires_at);

CREATE INDEX job_file_job_id ON public.job_file USING btree (job_id);

CREATE UNIQUE INDEX job_key ON public.job USING btree (kind, key) WHERE (key IS NOT NULL);

CREATE INDEX job_meter_meter_id ON public.job_meter USING btree (meter_id);

CREATE INDEX job_schedule_next_at ON public.job_schedule USING btree (next_at) WHERE enabled;

CREATE INDEX job_unfinished ON public.job USING btree (spec) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE INDEX job_waiting ON public.job USING btree (kind, state) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE INDEX key_delivery_unannounced ON public.key_delivery USING btree (device_id) WHERE (announced IS DISTINCT FROM version);

CREATE UNIQUE INDEX ledger_1h_bucket_device_id ON public.ledger_1h USING btree (bucket, device_id);

CREATE UNIQUE INDEX ledger_5m_bucket_device_id ON public.ledger_5m USING btree (bucket, device_id);

CREATE INDEX ledger_boot_end_due ON public.ledger_boot_end USING btree (told_at) WHERE (NOT folded);

CREATE INDEX ledger_boot_end_told_at ON public.ledger_boot_end USING btree (told_at);

CREATE INDEX ledger_hole_opened_at ON public.ledger_hole USING btree (opened_at);

CREATE INDEX ledger_skipped_at ON public.ledger_skipped USING btree (at);

CREATE INDEX message_received_at ON public.message USING brin (received_at) WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX meter_claim_check_at ON public.meter_claim USING btree (check_at) WHERE (shown AND (refused_at IS NULL));

CREATE INDEX meter_claim_device_id ON public.meter_claim USING btree (device_id);

CREATE INDEX meter_device_id ON public.meter USING btree (device_id);

CREATE INDEX meter_move_meter_id ON public.meter_move USING btree (meter_id, id);

CREATE INDEX meter_move_retry_at ON public.meter_move USING btree (retry_at) WHERE (retry_at IS NOT NULL);

CREATE INDEX meter_register_meter_id ON public.meter_register USING btree (meter_id);

CREATE INDEX meter_register_point_id ON public.meter_register USING btree (point_id);

CREATE INDEX meter_stay_check_at ON public.meter_stay USING btree (check_at) WHERE (check_at IS NOT NULL);

CREATE INDEX meter_stay_meter_id ON public.meter_stay USING btree (meter_id, installed_at);

CREATE UNIQUE INDEX meter_stay_one_meter ON public.meter_stay USING btree (point_id) WHERE (removed_at IS NULL);

CREATE UNIQUE INDEX meter_stay_one_place ON public.meter_stay USING btree (meter_id) WHERE (removed_at IS NULL);

CREATE INDEX meter_stay_point_id ON public.meter_stay USING btree (point_id, installed_at);

CREATE INDEX notice_delivery_ended ON public.notice_delivery USING btree (state, changed_at) WHERE (state <> 'waiting'::text);

CREATE INDEX notice_delivery_waiting ON public.notice_delivery USING btree (channel, made_at) WHERE (state = 'waiting'::text);

CREATE INDEX parameter_stage_device_id ON public.parameter_stage_device USING btree (device_id);

CREATE UNIQUE INDEX parameter_stage_open ON public.parameter_stage USING btree (scope) WHERE (state = ANY (ARRAY['running'::text, 'paused'::text]));

CREATE INDEX payload_body ON public.payload USING btree (mapped_at) WHERE ((state = 'mapped'::text) AND (reason IS NULL) AND (body IS NOT NULL));

CREATE INDEX payload_mapped ON public.payload USING btree (mapped_at) WHERE (state = 'mapped'::text);

CREATE INDEX payload_source ON public.payload USING btree (source, id);

COMMENT ON INDEX public.payload_source IS 'Any state of a source''s payloads, newest first; payload_turn and payload_unmapped are small.';

CREATE INDEX payload_turn ON public.payload USING btree (source, id) WHERE (state = 'waiting'::text);

CREATE INDEX payload_unmapped ON public.payload USING btree (source, id) WHERE (state = 'unmapped'::text);

CREATE INDEX payload_untried ON public.payload USING btree (source, version, id) WHERE (((state = 'unmapped'::text) OR ((state = 'mapped'::text) AND (reason IS NOT NULL))) AND (body IS NOT NULL));

COMMENT ON INDEX public.payload_untried IS 'What gave nothing, or not all, by the version that was tried last; 0 where there was none.';

CREATE INDEX payload_waiting ON public.payload USING btree (id) WHERE (state = 'waiting'::text);

CREATE INDEX pgqueuer_ep_ea_idx ON public.pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_ep_prio_id_idx ON public.pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_log_created ON public.pgqueuer_log USING btree (created);

CREATE INDEX pgqueuer_log_job_id_status ON public.pgqueuer_log USING btree (job_id, created DESC);

CREATE INDEX pgqueuer_log_not_aggregated ON public.pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);

CREATE INDEX pgqueuer_log_status ON public.pgqueuer_log USING btree (status);

CREATE INDEX pgqueuer_picked_heartbeat_idx ON public.pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::public.pgqueuer_status);

CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON public.pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::public.pgqueuer_status) AND (slot IS NOT NULL));

CREATE INDEX pgqueuer_priority_id_id1_idx ON public.pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_queue_manager_id_idx ON public.pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);

CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON public.pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON public.pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::public.pgqueuer_status, 'picked'::public.pgqueuer_status])) AND (dedupe_key IS NOT NULL));

CREATE INDEX pgqueuer_updated_id_id1_idx ON public.pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::public.pgqueuer_status);

CREATE INDEX profile_check_noted_at_idx ON public.profile_check USING btree (noted_at);

CREATE INDEX profile_day_day_idx ON public.profile_day USING btree (day);

CREATE INDEX quota_day_device ON public.quota_day USING btree (device_id, day);

CREATE UNIQUE INDEX reading_series_id_time ON public.reading USING btree (series_id, "time");

CREATE INDEX reading_time ON public.reading USING brin ("time") WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX rolled_15m_bucket ON public.rolled_15m USING brin (bucket) WITH (pages_per_range='16');

CREATE UNIQUE INDEX rolled_15m_series_id_bucket ON public.rolled_15m USING btree (series_id, bucket);

CREATE INDEX rolled_1d_bucket ON public.rolled_1d USING brin (bucket) WITH (pages_per_range='16');

CREATE UNIQUE INDEX rolled_1d_series_id_bucket ON public.rolled_1d USING btree (series_id, bucket);

CREATE INDEX rolled_1h_bucket ON public.rolled_1h USING brin (bucket) WITH (pages_per_range='16');

CREATE UNIQUE INDEX rolled_1h_series_id_bucket ON public.rolled_1h USING btree (series_id, bucket);

CREATE UNIQUE INDEX rolled_1mo_series_id_bucket ON public.rolled_1mo USING btree (series_id, bucket);

CREATE INDEX software_desired_unannounced ON public.software_desired USING btree (published_at) WHERE (announced IS DISTINCT FROM version);

CREATE INDEX software_history_device ON public.software_history USING btree (device_id, id DESC);

CREATE INDEX spec_rollout_meter_meter_id ON public.spec_rollout_meter USING btree (meter_id);

CREATE INDEX spec_rollout_step_spec ON public.spec_rollout_step USING btree (name, version, id);

CREATE TRIGGER change_new AFTER INSERT ON public.command FOR EACH ROW EXECUTE FUNCTION public.note_change('command', 'id', 'command', 'state');

CREATE TRIGGER change_new AFTER INSERT ON public.desired FOR EACH ROW EXECUTE FUNCTION public.note_change('desired', 'version', 'author');

CREATE TRIGGER change_new AFTER INSERT ON public.device FOR EACH ROW EXECUTE FUNCTION public.note_change('device', 'online', 'software', 'registered_at');

CREATE TRIGGER change_new AFTER INSERT ON public.event FOR EACH ROW EXECUTE FUNCTION public.note_change('event', 'event', 'severity', 'source');

CREATE TRIGGER change_new AFTER INSERT ON public.job FOR EACH ROW EXECUTE FUNCTION public.note_change('job', 'id', 'spec', 'state', 'kind');

CREATE TRIGGER change_new AFTER INSERT ON public.parameter_stage FOR EACH ROW EXECUTE FUNCTION public.note_change('stage', 'id', 'scope', 'state');

CREATE TRIGGER change_new AFTER INSERT ON public.reported FOR EACH ROW EXECUTE FUNCTION public.note_change('reported', 'version', 'state', 'probation');

CREATE TRIGGER change_new AFTER INSERT ON public.software_desired FOR EACH ROW EXECUTE FUNCTION public.note_change('software', 'version', 'author');

CREATE TRIGGER change_new AFTER INSERT ON public.software_reported FOR EACH ROW EXECUTE FUNCTION public.note_change('software', 'version', 'state', 'release', 'running');

CREATE TRIGGER change_new AFTER INSERT ON public.spec FOR EACH ROW EXECUTE FUNCTION public.note_change('spec', 'name', 'version');

CREATE TRIGGER change_new AFTER INSERT ON public.spec_deprecation FOR EACH ROW EXECUTE FUNCTION public.note_change('spec', 'name', 'version');

CREATE TRIGGER change_new AFTER INSERT ON public.spec_rollout FOR EACH ROW EXECUTE FUNCTION public.note_change('spec', 'name', 'version');

CREATE TRIGGER change_saved AFTER INSERT OR UPDATE ON public.spec_draft FOR EACH ROW EXECUTE FUNCTION public.note_change('spec', 'name', 'version');

CREATE TRIGGER change_seen AFTER UPDATE OF online, registered_at, software ON public.device FOR EACH ROW WHEN ((((old.online IS DISTINCT FROM new.online) OR (old.registered_at IS DISTINCT FROM new.registered_at)) OR (old.software IS DISTINCT FROM new.software))) EXECUTE FUNCTION public.note_change('device', 'online', 'software', 'registered_at');

CREATE TRIGGER change_state AFTER UPDATE ON public.command FOR EACH ROW WHEN ((old.state <> new.state)) EXECUTE FUNCTION public.note_change('command', 'id', 'command', 'state');

CREATE TRIGGER change_state AFTER UPDATE ON public.job FOR EACH ROW WHEN (((old.state <> new.state) OR (((old.done * 100) / GREATEST(old.total, (1)::bigint)) IS DISTINCT FROM ((new.done * 100) / GREATEST(new.total, (1)::bigint))) OR (((old.frames * 100) / GREATEST(old.total_frames, (1)::bigint)) IS DISTINCT FROM ((new.frames * 100) / GREATEST(new.total_frames, (1)::bigint))))) EXECUTE FUNCTION public.note_change('job', 'id', 'spec', 'state', 'kind');

CREATE TRIGGER change_state AFTER UPDATE ON public.parameter_stage FOR EACH ROW WHEN (((old.state <> new.state) OR (old.step <> new.step))) EXECUTE FUNCTION public.note_change('stage', 'id', 'scope', 'state');

CREATE TRIGGER change_state AFTER UPDATE ON public.software_reported FOR EACH ROW WHEN ((((old.version IS DISTINCT FROM new.version) OR (old.state IS DISTINCT FROM new.state)) OR (old.running IS DISTINCT FROM new.running))) EXECUTE FUNCTION public.note_change('software', 'version', 'state', 'release', 'running');

CREATE TRIGGER change_state AFTER UPDATE ON public.spec_rollout FOR EACH ROW WHEN (((old.state <> new.state) OR (old.audience <> new.audience))) EXECUTE FUNCTION public.note_change('spec', 'name', 'version');

CREATE TRIGGER change_version AFTER UPDATE OF version ON public.desired FOR EACH ROW WHEN ((old.version <> new.version)) EXECUTE FUNCTION public.note_change('desired', 'version', 'author');

CREATE TRIGGER change_version AFTER UPDATE ON public.reported FOR EACH ROW WHEN ((((((old.version IS DISTINCT FROM new.version) OR (old.state IS DISTINCT FROM new.state)) OR (old.probation IS DISTINCT FROM new.probation)) OR (old.watched IS DISTINCT FROM new.watched)) OR (old.held_back IS DISTINCT FROM new.held_back))) EXECUTE FUNCTION public.note_change('reported', 'version', 'state', 'probation');

CREATE TRIGGER change_version AFTER UPDATE OF version ON public.software_desired FOR EACH ROW WHEN ((old.version <> new.version)) EXECUTE FUNCTION public.note_change('software', 'version', 'author');

CREATE TRIGGER message_late AFTER INSERT ON public.message REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION public.note_late_messages();

CREATE TRIGGER meter_moved AFTER UPDATE OF device_id ON public.meter FOR EACH ROW WHEN ((old.device_id IS DISTINCT FROM new.device_id)) EXECUTE FUNCTION public.note_meter_move();

CREATE TRIGGER meter_moves_ordered BEFORE UPDATE OF device_id ON public.meter FOR EACH STATEMENT EXECUTE FUNCTION public.order_meter_moves();

CREATE TRIGGER notice_new AFTER INSERT ON public.event FOR EACH ROW EXECUTE FUNCTION public.notice_of_event();

CREATE TRIGGER reading_late AFTER INSERT ON public.reading REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION public.note_late_readings();

CREATE TRIGGER spec_deprecation_is_told AFTER INSERT ON public.spec_deprecation FOR EACH STATEMENT EXECUTE FUNCTION public.tell_shelf_change();

CREATE TRIGGER spec_is_immutable BEFORE DELETE OR UPDATE ON public.spec FOR EACH ROW EXECUTE FUNCTION public.refuse_spec_change();

CREATE TRIGGER spec_is_told AFTER INSERT ON public.spec FOR EACH STATEMENT EXECUTE FUNCTION public.tell_shelf_change();

CREATE TRIGGER spec_rollout_is_told AFTER INSERT OR UPDATE OF state, audience, limits ON public.spec_rollout FOR EACH STATEMENT EXECUTE FUNCTION public.tell_shelf_change();

CREATE TRIGGER tg_pgqueuer_changed AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON public.pgqueuer FOR EACH STATEMENT EXECUTE FUNCTION public.fn_pgqueuer_changed();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.audit FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.event FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.frame FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.ingest_batch FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.ledger_1h FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.ledger_5m FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.message FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.reading FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.rolled_15m FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.rolled_1d FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.rolled_1h FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON public.rolled_1mo FOR EACH ROW EXECUTE FUNCTION _timescaledb_functions.insert_blocker();

CREATE TRIGGER unannounced_is_told AFTER INSERT OR UPDATE OF version, announced ON public.desired FOR EACH ROW WHEN ((new.announced IS DISTINCT FROM new.version)) EXECUTE FUNCTION public.tell_unannounced();

CREATE TRIGGER unannounced_is_told AFTER INSERT OR UPDATE OF version, announced ON public.software_desired FOR EACH ROW WHEN ((new.announced IS DISTINCT FROM new.version)) EXECUTE FUNCTION public.tell_unannounced();

ALTER TABLE ONLY public.certificate
    ADD CONSTRAINT certificate_identity_fkey FOREIGN KEY (identity) REFERENCES public.credential(identity);

ALTER TABLE ONLY public.command
    ADD CONSTRAINT command_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.console_session
    ADD CONSTRAINT console_session_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.console_session
    ADD CONSTRAINT console_session_token_id_fkey FOREIGN KEY (token_id) REFERENCES public.api_token(id);

ALTER TABLE ONLY public.desired
    ADD CONSTRAINT desired_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.desired_history
    ADD CONSTRAINT desired_history_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.device_boot
    ADD CONSTRAINT device_boot_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.device_labels
    ADD CONSTRAINT device_labels_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.device_twin
    ADD CONSTRAINT device_twin_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_claim_fkey FOREIGN KEY (claim) REFERENCES public.claim(name);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_identity_fkey FOREIGN KEY (identity) REFERENCES public.credential(identity);

ALTER TABLE ONLY public.job_file
    ADD CONSTRAINT job_file_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.job(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.job_file_part
    ADD CONSTRAINT job_file_part_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.job_file(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.job_meter
    ADD CONSTRAINT job_meter_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.job(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.job_meter
    ADD CONSTRAINT job_meter_meter_id_fkey FOREIGN KEY (meter_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.key_delivery
    ADD CONSTRAINT key_delivery_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.mapping_turn
    ADD CONSTRAINT mapping_turn_source_fkey FOREIGN KEY (source) REFERENCES public.source(name);

ALTER TABLE ONLY public.meter_claim
    ADD CONSTRAINT meter_claim_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.meter_claim
    ADD CONSTRAINT meter_claim_meter_id_fkey FOREIGN KEY (meter_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.meter_key
    ADD CONSTRAINT meter_key_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.meter_key
    ADD CONSTRAINT meter_key_meter_id_fkey FOREIGN KEY (meter_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.meter_move
    ADD CONSTRAINT meter_move_from_device_id_fkey FOREIGN KEY (from_device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.meter_move
    ADD CONSTRAINT meter_move_meter_id_fkey FOREIGN KEY (meter_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.meter_move
    ADD CONSTRAINT meter_move_to_device_id_fkey FOREIGN KEY (to_device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_point_id_fkey FOREIGN KEY (point_id) REFERENCES public.point(id);

ALTER TABLE ONLY public.meter_register
    ADD CONSTRAINT meter_register_meter_id_fkey FOREIGN KEY (meter_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.meter_register
    ADD CONSTRAINT meter_register_point_id_fkey FOREIGN KEY (point_id) REFERENCES public.point(id);

ALTER TABLE ONLY public.meter_register
    ADD CONSTRAINT meter_register_stay_id_fkey FOREIGN KEY (stay_id) REFERENCES public.meter_stay(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.meter_stay
    ADD CONSTRAINT meter_stay_meter_id_fkey FOREIGN KEY (meter_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.meter_stay
    ADD CONSTRAINT meter_stay_point_id_fkey FOREIGN KEY (point_id) REFERENCES public.point(id);

ALTER TABLE ONLY public.notice_delivery
    ADD CONSTRAINT notice_delivery_channel_fkey FOREIGN KEY (channel) REFERENCES public.notice_channel(name) ON DELETE CASCADE;

ALTER TABLE ONLY public.notice_found
    ADD CONSTRAINT notice_found_rule_fkey FOREIGN KEY (rule) REFERENCES public.notice_rule(name) ON DELETE CASCADE;

ALTER TABLE ONLY public.notice_rule
    ADD CONSTRAINT notice_rule_channel_fkey FOREIGN KEY (channel) REFERENCES public.notice_channel(name);

ALTER TABLE ONLY public.parameter_stage_device
    ADD CONSTRAINT parameter_stage_device_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.parameter_stage_device
    ADD CONSTRAINT parameter_stage_device_stage_id_fkey FOREIGN KEY (stage_id) REFERENCES public.parameter_stage(id);

ALTER TABLE ONLY public.parameter_unsupported
    ADD CONSTRAINT parameter_unsupported_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.point
    ADD CONSTRAINT point_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.quota_day
    ADD CONSTRAINT quota_day_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.reported
    ADD CONSTRAINT reported_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_meter_id_fkey FOREIGN KEY (meter_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.software_desired
    ADD CONSTRAINT software_desired_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.software_history
    ADD CONSTRAINT software_history_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.software_reported
    ADD CONSTRAINT software_reported_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.source
    ADD CONSTRAINT source_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(id);

ALTER TABLE ONLY public.source_mapping
    ADD CONSTRAINT source_mapping_source_fkey FOREIGN KEY (source) REFERENCES public.source(name);

ALTER TABLE ONLY public.source
    ADD CONSTRAINT source_name_version_fkey FOREIGN KEY (name, version) REFERENCES public.source_mapping(source, version) DEFERRABLE;

ALTER TABLE ONLY public.spec_deprecation
    ADD CONSTRAINT spec_deprecation_name_version_fkey FOREIGN KEY (name, version) REFERENCES public.spec(name, version);

ALTER TABLE ONLY public.spec_rollout_meter
    ADD CONSTRAINT spec_rollout_meter_meter_id_fkey FOREIGN KEY (meter_id) REFERENCES public.meter(id);

ALTER TABLE ONLY public.spec_rollout_meter
    ADD CONSTRAINT spec_rollout_meter_name_version_fkey FOREIGN KEY (name, version) REFERENCES public.spec_rollout(name, version);

ALTER TABLE ONLY public.spec_rollout
    ADD CONSTRAINT spec_rollout_name_version_fkey FOREIGN KEY (name, version) REFERENCES public.spec(name, version);

ALTER TABLE ONLY public.spec_rollout_step
    ADD CONSTRAINT spec_rollout_step_name_version_fkey FOREIGN KEY (name, version) REFERENCES public.spec_rollout(name, version);

GRANT SELECT,INSERT,DELETE ON TABLE public.profile_day TO wattline_ingestor;
GRANT SELECT ON TABLE public.profile_day TO wattline_gateway;
GRANT SELECT ON TABLE public.profile_day TO wattline_grafana;

GRANT SELECT ON TABLE public.device TO wattline_ingestor;
GRANT SELECT,INSERT,UPDATE ON TABLE public.device TO wattline_gateway;

GRANT SELECT(id) ON TABLE public.device TO wattline_outlet;

GRANT INSERT(name) ON TABLE public.device TO wattline_ingestor;
GRANT SELECT(name) ON TABLE public.device TO wattline_outlet;

GRANT UPDATE(last_seen_at) ON TABLE public.device TO wattline_ingestor;

GRANT UPDATE(online) ON TABLE public.device TO wattline_ingestor;
GRANT SELECT(online) ON TABLE public.device TO wattline_outlet;

GRANT UPDATE(status_at) ON TABLE public.device TO wattline_ingestor;

GRANT UPDATE(boot) ON TABLE public.device TO wattline_ingestor;

GRANT UPDATE(software) ON TABLE public.device TO wattline_ingestor;
GRANT SELECT(software) ON TABLE public.device TO wattline_outlet;

GRANT SELECT(registration) ON TABLE public.device TO wattline_outlet;

GRANT UPDATE(outbox_at) ON TABLE public.device TO wattline_ingestor;

GRANT UPDATE(outbox_waiting) ON TABLE public.device TO wattline_ingestor;

GRANT UPDATE(outbox_waiting_for_s) ON TABLE public.device TO wattline_ingestor;

GRANT UPDATE(outbox_unconfirmed) ON TABLE public.device TO wattline_ingestor;

GRANT UPDATE(outbox_unconfirmed_for_s) ON TABLE public.device TO wattline_ingestor;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_boot_end TO wattline_ingestor;
GRANT SELECT ON TABLE public.ledger_boot_end TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.message TO wattline_ingestor;
GRANT SELECT ON TABLE public.message TO wattline_gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.meter_register TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_register TO wattline_ingestor;
GRANT SELECT ON TABLE public.meter_register TO wattline_grafana;

GRANT SELECT,INSERT,DELETE ON TABLE public.account TO wattline_gateway;

GRANT UPDATE(role) ON TABLE public.account TO wattline_gateway;

GRANT UPDATE(password) ON TABLE public.account TO wattline_gateway;

GRANT UPDATE(changed_at) ON TABLE public.account TO wattline_gateway;

GRANT UPDATE(last_login_at) ON TABLE public.account TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.api_token TO wattline_gateway;

GRANT UPDATE(last_used_at) ON TABLE public.api_token TO wattline_gateway;

GRANT UPDATE(revoked_at) ON TABLE public.api_token TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.audit TO wattline_gateway;

GRANT SELECT ON TABLE public.audit_log TO wattline_gateway;
GRANT SELECT ON TABLE public.audit_log TO wattline_grafana;

GRANT SELECT,INSERT ON TABLE public.ingest_batch TO wattline_ingestor;

GRANT SELECT ON TABLE public.batch_log TO wattline_gateway;
GRANT SELECT ON TABLE public.batch_log TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.broker_login TO wattline_gateway;

GRANT SELECT ON TABLE public.broker_login_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.broker_login_overview TO wattline_grafana;

GRANT SELECT,INSERT ON TABLE public.certificate TO wattline_gateway;

GRANT UPDATE(successor_sha256) ON TABLE public.certificate TO wattline_gateway;

GRANT SELECT,DELETE ON TABLE public.change TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.claim TO wattline_gateway;

GRANT UPDATE(used) ON TABLE public.claim TO wattline_gateway;

GRANT UPDATE(revoked_at) ON TABLE public.claim TO wattline_gateway;

GRANT UPDATE(revoked_by) ON TABLE public.claim TO wattline_gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.command TO wattline_gateway;

GRANT SELECT ON TABLE public.command_log TO wattline_gateway;
GRANT SELECT ON TABLE public.command_log TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.desired TO wattline_gateway;

GRANT SELECT(device_id) ON TABLE public.desired TO wattline_ingestor;

GRANT SELECT(document) ON TABLE public.desired TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.reported TO wattline_gateway;

GRANT SELECT ON TABLE public.config_state TO wattline_gateway;
GRANT SELECT ON TABLE public.config_state TO wattline_grafana;

GRANT SELECT,INSERT,DELETE ON TABLE public.console_session TO wattline_gateway;

GRANT SELECT,INSERT,UPDATE ON TABLE public.credential TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.delivery_claim TO wattline_ingestor;
GRANT SELECT,INSERT,UPDATE ON TABLE public.delivery_claim TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.desired_history TO wattline_gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.device_boot TO wattline_gateway;

GRANT SELECT,INSERT,UPDATE ON TABLE public.device_labels TO wattline_gateway;

GRANT SELECT ON TABLE public.device_label_set TO wattline_gateway;
GRANT SELECT ON TABLE public.device_label_set TO wattline_ingestor;

GRANT SELECT ON TABLE public.device_label TO wattline_gateway;
GRANT SELECT ON TABLE public.device_label TO wattline_grafana;

GRANT SELECT,INSERT,UPDATE ON TABLE public.device_twin TO wattline_gateway;

GRANT SELECT ON TABLE public.meter TO wattline_ingestor;
GRANT SELECT,INSERT,UPDATE ON TABLE public.meter TO wattline_gateway;
GRANT SELECT ON TABLE public.meter TO wattline_outlet;

GRANT INSERT(key) ON TABLE public.meter TO wattline_ingestor;

GRANT INSERT(device_id) ON TABLE public.meter TO wattline_ingestor;

GRANT UPDATE(parent_id) ON TABLE public.meter TO wattline_ingestor;

GRANT UPDATE(manufacturer) ON TABLE public.meter TO wattline_ingestor;

GRANT UPDATE(product) ON TABLE public.meter TO wattline_ingestor;

GRANT UPDATE(serial) ON TABLE public.meter TO wattline_ingestor;

GRANT UPDATE(firmware) ON TABLE public.meter TO wattline_ingestor;

GRANT INSERT(spec) ON TABLE public.meter TO wattline_ingestor;

GRANT INSERT(installed_at) ON TABLE public.meter TO wattline_ingestor;

GRANT SELECT ON TABLE public.device_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.device_overview TO wattline_grafana;
GRANT SELECT ON TABLE public.device_overview TO wattline_ingestor;

GRANT SELECT,INSERT,UPDATE ON TABLE public.quota_day TO wattline_ingestor;
GRANT SELECT,INSERT,UPDATE ON TABLE public.quota_day TO wattline_gateway;

GRANT SELECT ON TABLE public.device_quota TO wattline_gateway;
GRANT SELECT ON TABLE public.device_quota TO wattline_grafana;

GRANT SELECT ON TABLE public.series TO wattline_ingestor;
GRANT SELECT ON TABLE public.series TO wattline_gateway;
GRANT SELECT ON TABLE public.series TO wattline_outlet;

GRANT INSERT(meter_id) ON TABLE public.series TO wattline_ingestor;

GRANT INSERT(obis) ON TABLE public.series TO wattline_ingestor;

GRANT INSERT(unit) ON TABLE public.series TO wattline_ingestor;

GRANT INSERT(kind) ON TABLE public.series TO wattline_ingestor;

GRANT SELECT ON TABLE public.energy_series TO wattline_gateway;
GRANT SELECT ON TABLE public.energy_series TO wattline_grafana;
GRANT SELECT ON TABLE public.energy_series TO wattline_ingestor;

GRANT SELECT,INSERT,UPDATE ON TABLE public.enrolment TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.event TO wattline_ingestor;
GRANT SELECT,INSERT ON TABLE public.event TO wattline_gateway;
GRANT INSERT ON TABLE public.event TO wattline_intake;

GRANT UPDATE(detail) ON TABLE public.event TO wattline_gateway;

GRANT SELECT ON TABLE public.event_log TO wattline_gateway;
GRANT SELECT ON TABLE public.event_log TO wattline_grafana;

GRANT SELECT,INSERT ON TABLE public.frame TO wattline_ingestor;
GRANT SELECT,INSERT ON TABLE public.frame TO wattline_gateway;

GRANT UPDATE(resolved_at) ON TABLE public.frame TO wattline_ingestor;

GRANT SELECT ON SEQUENCE public.frame_id_seq TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.gateway_gauge TO wattline_gateway;

GRANT SELECT ON TABLE public.gateway_gauge_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.gateway_gauge_overview TO wattline_grafana;
GRANT SELECT ON TABLE public.gateway_gauge_overview TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.gateway_waiting TO wattline_gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ingestor_link TO wattline_ingestor;
GRANT SELECT ON TABLE public.ingestor_link TO wattline_gateway;

GRANT SELECT ON TABLE public.installation TO wattline_gateway;
GRANT SELECT ON TABLE public.installation TO wattline_ingestor;
GRANT SELECT ON TABLE public.installation TO wattline_grafana;
GRANT SELECT ON TABLE public.installation TO wattline_intake;
GRANT SELECT ON TABLE public.installation TO wattline_outlet;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job TO wattline_gateway;
GRANT SELECT,INSERT,UPDATE ON TABLE public.job TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_file TO wattline_gateway;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_file TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_file_part TO wattline_gateway;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_file_part TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_meter TO wattline_gateway;
GRANT SELECT,DELETE,UPDATE ON TABLE public.job_meter TO wattline_ingestor;

GRANT SELECT ON TABLE public.job_overview TO wattline_ingestor;
GRANT SELECT ON TABLE public.job_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.job_overview TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_schedule TO wattline_gateway;
GRANT SELECT ON TABLE public.job_schedule TO wattline_ingestor;

GRANT UPDATE(next_at) ON TABLE public.job_schedule TO wattline_ingestor;

GRANT UPDATE(last_at) ON TABLE public.job_schedule TO wattline_ingestor;

GRANT UPDATE(last_job) ON TABLE public.job_schedule TO wattline_ingestor;

GRANT UPDATE(error) ON TABLE public.job_schedule TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.key_delivery TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.reading TO wattline_ingestor;
GRANT SELECT ON TABLE public.reading TO wattline_gateway;
GRANT SELECT ON TABLE public.reading TO wattline_outlet;

GRANT SELECT ON TABLE public.reading_source TO wattline_ingestor;
GRANT SELECT ON TABLE public.reading_source TO wattline_gateway;
GRANT SELECT ON TABLE public.reading_source TO wattline_outlet;

GRANT SELECT ON TABLE public.latest_reading TO wattline_gateway;
GRANT SELECT ON TABLE public.latest_reading TO wattline_grafana;

GRANT SELECT ON TABLE public.message_kind TO wattline_ingestor;
GRANT SELECT ON TABLE public.message_kind TO wattline_gateway;

GRANT SELECT ON TABLE public.ledger TO wattline_gateway;
GRANT SELECT ON TABLE public.ledger TO wattline_grafana;

GRANT SELECT ON TABLE public.ledger_state TO wattline_ingestor;

GRANT SELECT ON TABLE public.ledger_age TO wattline_gateway;
GRANT SELECT ON TABLE public.ledger_age TO wattline_grafana;

GRANT SELECT ON TABLE public.ledger_boot_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.ledger_boot_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.ledger_hole_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.ledger_hole_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.ledger_open TO wattline_ingestor;
GRANT SELECT ON TABLE public.ledger_open TO wattline_gateway;
GRANT SELECT ON TABLE public.ledger_open TO wattline_grafana;

GRANT SELECT ON TABLE public.ledger_skip TO wattline_gateway;
GRANT SELECT ON TABLE public.ledger_skip TO wattline_grafana;

GRANT SELECT ON TABLE public.ledger_summary TO wattline_gateway;
GRANT SELECT ON TABLE public.ledger_summary TO wattline_grafana;

GRANT SELECT,INSERT,UPDATE ON TABLE public.mapping_turn TO wattline_ingestor;

GRANT SELECT ON TABLE public.message_gap TO wattline_gateway;
GRANT SELECT ON TABLE public.message_gap TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.meter_claim TO wattline_gateway;

GRANT SELECT ON TABLE public.meter_claim_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_claim_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.meter_gap TO wattline_ingestor;
GRANT SELECT ON TABLE public.meter_gap TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_gap TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.meter_key TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_key TO wattline_ingestor;

GRANT SELECT,INSERT,UPDATE ON TABLE public.meter_move TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_move TO wattline_ingestor;

GRANT SELECT ON TABLE public.meter_move_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_move_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.meter_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.meter_secret_wanted TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_secret_wanted TO wattline_grafana;
GRANT SELECT ON TABLE public.meter_secret_wanted TO wattline_ingestor;

GRANT SELECT ON TABLE public.meter_spec TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_spec TO wattline_ingestor;

GRANT SELECT,INSERT ON TABLE public.spec TO wattline_gateway;
GRANT SELECT ON TABLE public.spec TO wattline_ingestor;

GRANT SELECT ON TABLE public.meter_stated_cadence TO wattline_gateway;

GRANT SELECT,INSERT,UPDATE ON TABLE public.meter_stay TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_stay TO wattline_ingestor;
GRANT SELECT ON TABLE public.meter_stay TO wattline_grafana;

GRANT SELECT,INSERT,UPDATE ON TABLE public.point TO wattline_gateway;
GRANT SELECT ON TABLE public.point TO wattline_ingestor;
GRANT SELECT ON TABLE public.point TO wattline_grafana;
GRANT SELECT ON TABLE public.point TO wattline_outlet;

GRANT SELECT ON TABLE public.meter_swap TO wattline_gateway;
GRANT SELECT ON TABLE public.meter_swap TO wattline_grafana;
GRANT SELECT ON TABLE public.meter_swap TO wattline_ingestor;

GRANT SELECT ON TABLE public.named_reading TO wattline_gateway;
GRANT SELECT ON TABLE public.named_reading TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notice_channel TO wattline_gateway;
GRANT SELECT ON TABLE public.notice_channel TO wattline_ingestor;

GRANT UPDATE(failures) ON TABLE public.notice_channel TO wattline_ingestor;

GRANT UPDATE(not_before) ON TABLE public.notice_channel TO wattline_ingestor;

GRANT UPDATE(answer) ON TABLE public.notice_channel TO wattline_ingestor;

GRANT UPDATE(answered_at) ON TABLE public.notice_channel TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notice_delivery TO wattline_gateway;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notice_delivery TO wattline_ingestor;

GRANT SELECT ON TABLE public.notice_channel_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.notice_channel_overview TO wattline_ingestor;
GRANT SELECT ON TABLE public.notice_channel_overview TO wattline_grafana;

GRANT SELECT,DELETE ON TABLE public.notice_event TO wattline_ingestor;

GRANT SELECT,DELETE ON TABLE public.notice_found TO wattline_gateway;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notice_found TO wattline_ingestor;

GRANT SELECT ON SEQUENCE public.notice_missed TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notice_rule TO wattline_gateway;
GRANT SELECT ON TABLE public.notice_rule TO wattline_ingestor;

GRANT UPDATE(told_at) ON TABLE public.notice_rule TO wattline_ingestor;

GRANT UPDATE(more) ON TABLE public.notice_rule TO wattline_ingestor;

GRANT SELECT ON TABLE public.outbox_overview TO wattline_ingestor;
GRANT SELECT ON TABLE public.outbox_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.outbox_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.outlet_cursor TO wattline_ingestor;
GRANT SELECT,INSERT,UPDATE ON TABLE public.outlet_cursor TO wattline_outlet;

GRANT SELECT,INSERT,DELETE ON TABLE public.stored_span TO wattline_outlet;

GRANT UPDATE(xid) ON TABLE public.stored_span TO wattline_outlet;

GRANT INSERT(from_at) ON TABLE public.stored_span TO wattline_ingestor;

GRANT INSERT(until_at) ON TABLE public.stored_span TO wattline_ingestor;

GRANT INSERT(series) ON TABLE public.stored_span TO wattline_ingestor;

GRANT SELECT ON TABLE public.outlet_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.outlet_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.parameter_change TO wattline_gateway;
GRANT SELECT ON TABLE public.parameter_change TO wattline_grafana;

GRANT SELECT,INSERT ON TABLE public.parameter_document TO wattline_gateway;

GRANT SELECT,INSERT,UPDATE ON TABLE public.parameter_group TO wattline_gateway;
GRANT SELECT ON TABLE public.parameter_group TO wattline_ingestor;

GRANT SELECT ON TABLE public.parameter_refusal TO wattline_gateway;
GRANT SELECT ON TABLE public.parameter_refusal TO wattline_grafana;

GRANT SELECT,INSERT,UPDATE ON TABLE public.parameter_stage TO wattline_gateway;

GRANT SELECT,INSERT,UPDATE ON TABLE public.parameter_stage_device TO wattline_gateway;

GRANT SELECT ON TABLE public.parameter_state TO wattline_gateway;
GRANT SELECT ON TABLE public.parameter_state TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.parameter_unsupported TO wattline_gateway;

GRANT SELECT ON TABLE public.parameter_unsupported_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.parameter_unsupported_overview TO wattline_grafana;

GRANT SELECT,DELETE,UPDATE ON TABLE public.payload TO wattline_gateway;
GRANT SELECT,DELETE,UPDATE ON TABLE public.payload TO wattline_ingestor;

GRANT SELECT(id) ON TABLE public.payload TO wattline_intake;

GRANT SELECT(source),INSERT(source) ON TABLE public.payload TO wattline_intake;

GRANT SELECT(key),INSERT(key) ON TABLE public.payload TO wattline_intake;

GRANT SELECT(received_at) ON TABLE public.payload TO wattline_intake;

GRANT INSERT(content_type) ON TABLE public.payload TO wattline_intake;

GRANT INSERT(topic) ON TABLE public.payload TO wattline_intake;

GRANT INSERT(body) ON TABLE public.payload TO wattline_intake;

GRANT SELECT(state) ON TABLE public.payload TO wattline_intake;

GRANT INSERT(came_at) ON TABLE public.payload TO wattline_intake;

GRANT SELECT(digest),INSERT(digest) ON TABLE public.payload TO wattline_intake;

GRANT SELECT ON TABLE public.payload_log TO wattline_gateway;
GRANT SELECT ON TABLE public.payload_log TO wattline_grafana;

GRANT SELECT,INSERT,UPDATE ON TABLE public.pgqueuer TO wattline_gateway;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.pgqueuer TO wattline_ingestor;

GRANT USAGE ON SEQUENCE public.pgqueuer_id_seq TO wattline_gateway;
GRANT USAGE ON SEQUENCE public.pgqueuer_id_seq TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE ON TABLE public.pgqueuer_log TO wattline_gateway;
GRANT SELECT,INSERT,UPDATE ON TABLE public.pgqueuer_log TO wattline_ingestor;

GRANT SELECT,INSERT,UPDATE ON TABLE public.pgqueuer_statistics TO wattline_ingestor;

GRANT USAGE ON SEQUENCE public.pgqueuer_statistics_id_seq TO wattline_ingestor;

GRANT SELECT ON TABLE public.point_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.point_overview TO wattline_grafana;
GRANT SELECT ON TABLE public.point_overview TO wattline_ingestor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.profile_check TO wattline_ingestor;

GRANT SELECT ON TABLE public.quarantine TO wattline_gateway;
GRANT SELECT ON TABLE public.quarantine TO wattline_grafana;

GRANT SELECT,INSERT,UPDATE ON TABLE public.spec_rollout TO wattline_gateway;

GRANT SELECT,INSERT,UPDATE ON TABLE public.spec_rollout_meter TO wattline_gateway;

GRANT SELECT ON TABLE public.rollout_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.rollout_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.rollup_15m TO wattline_ingestor;
GRANT SELECT ON TABLE public.rollup_15m TO wattline_gateway;
GRANT SELECT ON TABLE public.rollup_15m TO wattline_grafana;

GRANT SELECT ON TABLE public.rollup_1h TO wattline_ingestor;
GRANT SELECT ON TABLE public.rollup_1h TO wattline_gateway;
GRANT SELECT ON TABLE public.rollup_1h TO wattline_grafana;

GRANT SELECT ON TABLE public.rollup_1d TO wattline_ingestor;
GRANT SELECT ON TABLE public.rollup_1d TO wattline_gateway;
GRANT SELECT ON TABLE public.rollup_1d TO wattline_grafana;

GRANT SELECT ON TABLE public.rollup_1mo TO wattline_ingestor;
GRANT SELECT ON TABLE public.rollup_1mo TO wattline_gateway;
GRANT SELECT ON TABLE public.rollup_1mo TO wattline_grafana;

GRANT SELECT ON TABLE public.rollup_late TO wattline_ingestor;
GRANT SELECT ON TABLE public.rollup_late TO wattline_gateway;
GRANT SELECT ON TABLE public.rollup_late TO wattline_grafana;

GRANT SELECT ON TABLE public.rollup_state TO wattline_ingestor;
GRANT SELECT ON TABLE public.rollup_state TO wattline_gateway;
GRANT SELECT ON TABLE public.rollup_state TO wattline_grafana;

GRANT SELECT ON TABLE public.schema_migration TO wattline_gateway;
GRANT SELECT ON TABLE public.schema_migration TO wattline_ingestor;
GRANT SELECT ON TABLE public.schema_migration TO wattline_grafana;
GRANT SELECT ON TABLE public.schema_migration TO wattline_intake;
GRANT SELECT ON TABLE public.schema_migration TO wattline_outlet;

GRANT SELECT ON TABLE public.series_name TO wattline_ingestor;
GRANT SELECT ON TABLE public.series_name TO wattline_gateway;
GRANT SELECT ON TABLE public.series_name TO wattline_grafana;

GRANT SELECT ON TABLE public.series_register TO wattline_gateway;
GRANT SELECT ON TABLE public.series_register TO wattline_grafana;
GRANT SELECT ON TABLE public.series_register TO wattline_ingestor;

GRANT SELECT ON TABLE public.stay_span TO wattline_gateway;
GRANT SELECT ON TABLE public.stay_span TO wattline_grafana;
GRANT SELECT ON TABLE public.stay_span TO wattline_ingestor;

GRANT SELECT ON TABLE public.series_part TO wattline_gateway;
GRANT SELECT ON TABLE public.series_part TO wattline_grafana;
GRANT SELECT ON TABLE public.series_part TO wattline_ingestor;

GRANT SELECT ON TABLE public.shelf_revision TO wattline_gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.software_desired TO wattline_gateway;

GRANT SELECT,INSERT,DELETE ON TABLE public.software_history TO wattline_gateway;

GRANT SELECT ON TABLE public.software_log TO wattline_gateway;
GRANT SELECT ON TABLE public.software_log TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.software_reported TO wattline_gateway;

GRANT SELECT ON TABLE public.software_state TO wattline_gateway;
GRANT SELECT ON TABLE public.software_state TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.source TO wattline_gateway;
GRANT SELECT ON TABLE public.source TO wattline_ingestor;
GRANT SELECT ON TABLE public.source TO wattline_intake;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.source_mapping TO wattline_gateway;
GRANT SELECT ON TABLE public.source_mapping TO wattline_ingestor;
GRANT SELECT ON TABLE public.source_mapping TO wattline_intake;

GRANT SELECT ON TABLE public.source_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.source_overview TO wattline_grafana;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.source_proposal TO wattline_intake;
GRANT SELECT,UPDATE ON TABLE public.source_proposal TO wattline_gateway;

GRANT SELECT ON TABLE public.source_proposal_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.source_proposal_overview TO wattline_grafana;

GRANT SELECT,INSERT ON TABLE public.spec_deprecation TO wattline_gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.spec_draft TO wattline_gateway;

GRANT SELECT,INSERT ON TABLE public.spec_rollout_step TO wattline_gateway;

GRANT SELECT ON TABLE public.stage_overview TO wattline_gateway;
GRANT SELECT ON TABLE public.stage_overview TO wattline_grafana;

GRANT SELECT ON TABLE public.store_block TO wattline_ingestor;
GRANT SELECT ON TABLE public.store_block TO wattline_gateway;
GRANT SELECT ON TABLE public.store_block TO wattline_grafana;

GRANT SELECT ON TABLE public.store_job TO wattline_ingestor;
GRANT SELECT ON TABLE public.store_job TO wattline_gateway;
GRANT SELECT ON TABLE public.store_job TO wattline_grafana;

GRANT SELECT ON TABLE public.store_kept TO wattline_ingestor;
GRANT SELECT ON TABLE public.store_kept TO wattline_gateway;
GRANT SELECT ON TABLE public.store_kept TO wattline_grafana;

GRANT SELECT ON TABLE public.store_setting TO wattline_ingestor;
GRANT SELECT ON TABLE public.store_setting TO wattline_gateway;
GRANT SELECT ON TABLE public.store_setting TO wattline_grafana;
GRANT SELECT ON TABLE public.store_setting TO wattline_intake;
GRANT SELECT ON TABLE public.store_setting TO wattline_outlet;

GRANT SELECT ON TABLE public.store_size TO wattline_ingestor;
GRANT SELECT ON TABLE public.store_size TO wattline_gateway;
GRANT SELECT ON TABLE public.store_size TO wattline_grafana;

GRANT SELECT ON TABLE public.unknown_meter TO wattline_gateway;
GRANT SELECT ON TABLE public.unknown_meter TO wattline_grafana;
GRANT SELECT ON TABLE public.unknown_meter TO wattline_ingestor;

GRANT SELECT ON TABLE public.upkeep_lease TO wattline_ingestor;
GRANT SELECT ON TABLE public.upkeep_lease TO wattline_gateway;

GRANT SELECT ON TABLE public.upkeep_standing TO wattline_ingestor;
GRANT SELECT ON TABLE public.upkeep_standing TO wattline_gateway;
GRANT SELECT ON TABLE public.upkeep_standing TO wattline_grafana;

GRANT SELECT ON TABLE public.waiting_device TO wattline_gateway;
GRANT SELECT ON TABLE public.waiting_device TO wattline_grafana;
GRANT SELECT ON TABLE public.waiting_device TO wattline_ingestor;
