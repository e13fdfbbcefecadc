"""Choose the addresses of a stack's processes and derive their environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from models.settings import Settings
from tools.ports import HOST, Ports

PARTNER_URLS = ("payments_url", "suppliers_url", "carriers_url")
LOOPBACK = (HOST, "localhost", "::1")


@dataclass(frozen=True)
class Addresses:
    """Loopback ports, partner URLs and the Temporal server's address."""

    own_engine: bool
    """Whether the stack starts its own Temporal server."""
    temporal: str
    temporal_port: int
    ui_port: int
    api_port: int
    simulators_port: int
    smtp_port: int
    partners: Mapping[str, str]
    """PAYMENTS_URL, SUPPLIERS_URL, CARRIERS_URL and SMTP_URL."""

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.api_port}"

    @property
    def ui_url(self) -> str:
        return f"http://{HOST}:{self.ui_port}"

    @property
    def simulators_url(self) -> str:
        return f"http://{HOST}:{self.simulators_port}"

    @property
    def ports(self) -> dict[str, int]:
        """The chosen ports by name; the next start prefers them."""
        return {name: port for name, port in vars(self).items() if name.endswith("_port")}

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that the processes read."""
        engine = {"TEMPORAL_ADDRESS": self.temporal} if self.temporal else {}
        if self.own_engine:
            # A profile in the user's configuration file names another server.
            engine |= {"TEMPORAL_CONFIG_FILE": "/dev/null"}
            engine |= {"TEMPORAL_PORT": str(self.temporal_port), "UI_PORT": str(self.ui_port)}
        return {**engine, "API_PORT": str(self.api_port), **self.partners}


def uses_external_engine(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names a Temporal server that the stack doesn't start.

    VAR_DIR/env sets TEMPORAL_ADDRESS and a matching TEMPORAL_PORT: that is the stack's own server.
    """
    address, own = environ.get("TEMPORAL_ADDRESS"), f"{HOST}:{environ.get('TEMPORAL_PORT')}"
    return bool(environ.get("TEMPORAL_PROFILE") or (address and address != own))


def choose_addresses(
    settings: Settings, environ: Mapping[str, str], ports: Ports, last: Mapping[str, int]
) -> Addresses:
    """Choose all addresses: configured ones as they are, the rest from available ports.

    `last`: `Addresses.ports` of the last start. Raises PortTaken if a configured port is in use.
    """
    configured = settings.model_fields_set

    def choose(field: str) -> int:
        return ports.choose(
            field.upper(),
            getattr(settings, field),
            configured=field in configured,
            last=last.get(field, 0),
        )

    own_engine = not uses_external_engine(environ)
    temporal_port, ui_port = (choose("temporal_port"), choose("ui_port")) if own_engine else (0, 0)
    simulators_port = _simulator_port(settings, PARTNER_URLS, ports, last.get("simulators_port", 0))
    smtp_port = _simulator_port(settings, ("smtp_url",), ports, last.get("smtp_port", 0))
    simulated = {
        **{name: f"http://{HOST}:{simulators_port}/{name[:-4]}" for name in PARTNER_URLS},
        "smtp_url": f"smtp://{HOST}:{smtp_port}",
    }
    partners = {
        name.upper(): str(getattr(settings, name)) if name in configured else url
        for name, url in simulated.items()
    }
    return Addresses(
        own_engine=own_engine,
        temporal=f"{HOST}:{temporal_port}" if own_engine else environ.get("TEMPORAL_ADDRESS", ""),
        temporal_port=temporal_port,
        ui_port=ui_port,
        api_port=choose("api_port"),
        simulators_port=simulators_port,
        smtp_port=smtp_port,
        partners=partners,
    )


def _simulator_port(settings: Settings, names: tuple[str, ...], ports: Ports, last: int) -> int:
    """Choose a port of the simulators, preferably that of a URL configured for this machine.

    A port of such a URL that is in use belongs to a real partner: choose another one then.
    """
    for name in names:
        url = urlsplit(str(getattr(settings, name)))
        is_local = name in settings.model_fields_set and url.hostname in LOOPBACK
        if is_local and url.port and ports.was_available(url.port):
            return ports.choose(name.upper(), url.port, configured=True)
    default = urlsplit(str(Settings.model_fields[names[0]].default)).port or 0
    return ports.choose(names[0].upper(), default, configured=False, last=last)
