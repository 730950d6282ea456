"""What the API answers about specs, and the queries that it takes."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from broker.contract.messages import At
from gateway.models import ApiModel, Fault, PageQuery, exactly_one
from meters.telegram import Wire

State = Literal["draft", "canary", "published", "deprecated", "withdrawn"]


class SpecsQuery(PageQuery):
    """Which specs."""

    state: State | None = Field(default=None, description="Only those in this state.")
    generic: bool | None = Field(default=None, description="Only the last resorts of their protocol, or all but these.")


class SpecQuery(ApiModel):
    """In which form."""

    format: Literal["json", "yaml"] | None = Field(
        default=None, description="yaml gives the author's text; without it, what the Accept header asks for."
    )


class SpecSummary(ApiModel):
    """A spec: in which state it is, what it is for, and how many meters it reads now."""

    spec: str
    version: int
    state: State
    generic: bool
    meters: int
    sha256: str
    author: str
    reason: str | None
    published_at: At | None
    deprecated_at: At | None
    protocol: str | None
    manufacturer: str | None
    product: str | None


class SpecPage(ApiModel):
    """Specs by name and version."""

    items: tuple[SpecSummary, ...]
    next: str | None


class SpecDetail(SpecSummary):
    """A spec with its document."""

    audience: str | None
    deprecated_by: str | None
    deprecated_why: str | None
    before: str | None = Field(
        description="The newest published version before it, which `compare` takes; null for none"
    )
    document: dict[str, Any]


class GoldenDifference(ApiModel):
    """A golden telegram that gives something else than the spec states; `code` is null where it is no reading."""

    field: str
    golden: str
    code: str | None
    expected: str
    got: str


class TieView(ApiModel):
    """A spec of another name that fits the telegram of a golden with the same score."""

    golden: str
    spec: str
    score: int


class SpecReport(ApiModel):
    """What speaks against publishing a document; `errors` holds all of it, the other lists its parts."""

    valid: bool
    spec: str | None = Field(description="Its name, where it can be read.")
    version: int | None
    sha256: str | None
    goldens_checked: int
    goldens_unchecked: tuple[str, ...] = Field(description="Goldens whose bytes are a capture that is not at hand.")
    errors: tuple[Fault, ...]
    differences: tuple[GoldenDifference, ...]
    ties: tuple[TieView, ...]


class CompareQuery(ApiModel):
    """With which version."""

    against: int | None = Field(
        default=None, ge=1, le=10**9 - 1, description="The newest published version before this one without it."
    )


class CodeDifference(ApiModel):
    """How often a reading differs; `code` is `telegram` where one version refuses all of it, `at` for its clock."""

    code: str
    frames: int
    meters: int


class FrameDifference(ApiModel):
    """One reading of one frame by both versions; null where a version gives none."""

    frame: int
    meter: str
    at: At
    what: str
    old: str | None
    new: str | None


class SpecComparison(ApiModel):
    """What an older and a newer version make of the newest frames that are kept of the meters of this spec."""

    old: str
    new: str
    frames: int = Field(description="Frames compared, the newest thousand at most.")
    meters: int
    since: At | None = Field(description="When the oldest of them was received.")
    unreadable: int = Field(description="Frames without a whole telegram, whatever the spec.")
    same: int
    different: int
    only_old: int = Field(description="Frames that the new version refuses and the old one reads.")
    only_new: int = Field(description="Frames that the old version refuses and the new one reads.")
    codes: tuple[CodeDifference, ...]
    differences: tuple[FrameDifference, ...] = Field(description="The first two hundred, newest frames first.")


class SpecChange(ApiModel):
    """What a change of a spec's state did; `changed` is false where it was so already."""

    spec: str
    version: int
    state: State
    audience: str | None = Field(description="Who has it first, where it is or was for a part of the fleet.")
    sha256: str
    changed: bool
    meters: int = Field(description="Meters that it reads now.")
    devices_changed: int = Field(default=0, description="Devices that got a new desired configuration by it.")
    devices: tuple[str, ...] = Field(default=(), description="The first hundred of them.")
    report: SpecReport | None = None
    comparison: SpecComparison | None = Field(
        default=None, description="With the version before it, over kept frames; where it was just published."
    )
    job: int | None = Field(default=None, description="The job that decodes the kept frames of its meters by it.")


class UnknownGroup(ApiModel):
    """Meters that no product's spec reads, and that one spec could: `family` is the product, or what they send."""

    group: str = Field(description="Its name for POST /specs:draft; the same for as long as its facts are.")
    protocol: str
    manufacturer: str
    family: str
    specs: tuple[str, ...] = Field(description="Generic specs that read some of them meanwhile.")
    devices: int
    meters: int
    frames: int = Field(description="Raw frames that are kept of them.")
    since: At | None
    last_frame_at: At | None
    examples: tuple[str, ...] = Field(description="Keys of some of the meters.")
    without_unit: tuple[str, ...] = Field(
        default=(),
        description="Addresses, as on the wire, of numbers without a unit: nothing reads them until a spec names it.",
    )


class UnreadPort(ApiModel):
    """A port that speaks a protocol which Wattline does not read, as its device reported within the last day."""

    device: str
    port: str
    protocol: str
    what: str = Field(description="What it is, and what reading it needs.")
    frames: int = Field(description="Raw frames that are kept of it.")
    since: At
    last_frame_at: At


class UnknownQuery(ApiModel):
    """Which groups."""

    meter: str | None = Field(default=None, max_length=96, description="Only the group that this meter is in.")


class UnknownPage(ApiModel):
    """All groups, those of most meters first, and the ports at which no protocol is read."""

    items: tuple[UnknownGroup, ...]
    ports: tuple[UnreadPort, ...] = ()


class DraftRequest(ApiModel):
    """What to make a draft from: the kept frames of a meter or of a group, or the frames given."""

    model_config = exactly_one("meter", "group", "frames")

    meter: str | None = Field(default=None, max_length=96)
    group: str | None = Field(default=None, max_length=64)
    frames: (
        Annotated[
            tuple[Annotated[str, StringConstraints(max_length=200_000)], ...], Field(min_length=1, max_length=200)
        ]
        | None
    ) = Field(default=None, description="Each as hex or base64.")
    protocol: Wire | None = Field(default=None, description="Whichever they are of, without it.")
    units: dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=16)]] = (
        Field(default_factory=dict, max_length=64, description="Units by address where the wire names none.")
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(part is not None for part in (self.meter, self.group, self.frames)) != 1:
            raise ValueError("give exactly one of meter, group and frames")
        return self


class SpecDraft(ApiModel):
    """A proposal as YAML without a name; what is guessed says so in a comment."""

    text: str
    protocol: str
    frames: int
    telegrams: int
    codes: int
    goldens: int
    guessed_units: dict[str, str] = Field(
        default_factory=dict, description="Units that are guesses, by address on the wire, where none is named."
    )
