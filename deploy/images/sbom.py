"""What an image holds, as a software bill of materials in the form of CycloneDX."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from deploy.images.packages import DebianPackage
from deploy.images.python_packages import Package

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:wattline:images")


def bill(
    image: str,
    version: str,
    architecture: str,
    debian: Iterable[DebianPackage],
    libraries: Iterable[Package],
    created: datetime,
) -> str:
    """The document as JSON; the same contents give the same document."""
    bom = Bom(version=1)
    about = Component(name=f"wattline-{image}", version=version, type=ComponentType.CONTAINER, bom_ref="image")
    bom.metadata.component = about
    bom.metadata.timestamp = created
    for one in debian:
        bom.components.add(_debian(one))
    for each in libraries:
        bom.components.add(_library(each))
    bom.register_dependency(about, bom.components)
    named = sorted(str(component.purl) for component in bom.components)
    bom.serial_number = uuid.uuid5(_NAMESPACE, "\n".join([image, version, architecture, created.isoformat(), *named]))
    document: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    return document + "\n"


def _debian(package: DebianPackage) -> Component:
    qualifiers = {"arch": package.architecture, "distro": "debian-13"}
    purl = PackageURL("deb", "debian", package.name, package.version, qualifiers)
    return Component(
        name=package.name, version=package.version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl)
    )


def _library(package: Package) -> Component:
    name = package.name.lower().replace("_", "-") if package.ecosystem == "pypi" else package.name
    purl = PackageURL(package.ecosystem, None, name, package.version)
    licence = package.licence
    stated = (
        [] if not licence else [DisjunctiveLicense(id=licence) if " " not in licence else LicenseExpression(licence)]
    )
    return Component(
        name=package.name, version=package.version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl),
        licenses=stated,
    )  # fmt: skip
