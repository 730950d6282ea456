"""By which certificate the API and the console are served."""

from broker.runtime.tls import ServerTls, TlsFiles
from gateway.enrolment.ca_folder import open_or_make
from gateway.enrolment.own_certificate import OwnCertificate
from gateway.settings import GatewaySettings


def own_certificate(settings: GatewaySettings) -> OwnCertificate | None:
    """By the embedded authority, which is made where its folder has none; None without one. Raises PermanentError."""
    folder = settings.ca.folder
    if folder is None:
        return None
    authority, _ = open_or_make(folder, settings.ca.secret())
    return OwnCertificate(authority, folder, settings.enrolment.hosts)


def server_tls(settings: GatewaySettings, own: OwnCertificate | None) -> ServerTls | None:
    """By the settings' files, by our own certificate, or None: in plain. Raises PermanentError."""
    if settings.tls_by() == "own authority" and own is not None:
        path = own.fresh()
        return ServerTls.of(TlsFiles(certificate=path, key=path))
    return ServerTls.of(settings.tls)
