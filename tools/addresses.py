"""Where each part of a stack listens, and the environment that tells the parts so."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from models.settings import Settings
from tools.ports import HOST, Ports

PARTNER_URLS = ("payments_url", "suppliers_url", "carriers_url")
LOOPBACK = (HOST, "localhost", "::1")


@dataclass(frozen=True)
class Addresses:
    """Ports on the loopback address, and where partners and the engine are."""

    own_engine: bool
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
        """Where each part listens, to be had again the next time."""
        return {name: port for name, port in vars(self).items() if name.endswith("_port")}

    @property
    def env(self) -> dict[str, str]:
        """The variables that the parts read."""
        engine = {"TEMPORAL_ADDRESS": self.temporal} if self.temporal else {}
        if self.own_engine:
            # A profile in the user's own file is about another server.
            engine |= {"TEMPORAL_CONFIG_FILE": "/dev/null"}
            engine |= {"TEMPORAL_PORT": str(self.temporal_port), "UI_PORT": str(self.ui_port)}
        return {**engine, "API_PORT": str(self.api_port), **self.partners}


def engine_is_given(environ: Mapping[str, str]) -> bool:
    """Whether the user has a Temporal of their own.

    A shell that has read VAR_DIR/env names ours, together with its port: that one we start.
    """
    address, ours = environ.get("TEMPORAL_ADDRESS"), f"{HOST}:{environ.get('TEMPORAL_PORT')}"
    return bool(environ.get("TEMPORAL_PROFILE") or (address and address != ours))


def choose_addresses(
    settings: Settings, environ: Mapping[str, str], ports: Ports, last: Mapping[str, int]
) -> Addresses:
    """What the user gave is taken, or PortTaken is raised; the rest is found.

    `last`: `Addresses.ports` of the last time.
    """
    given = settings.model_fields_set

    def choose(field: str) -> int:
        wanted = getattr(settings, field)
        return ports.choose(field.upper(), wanted, given=field in given, last=last.get(field, 0))

    own_engine = not engine_is_given(environ)
    temporal_port, ui_port = (choose("temporal_port"), choose("ui_port")) if own_engine else (0, 0)
    simulators_port = _listen(settings, PARTNER_URLS, ports, last.get("simulators_port", 0))
    smtp_port = _listen(settings, ("smtp_url",), ports, last.get("smtp_port", 0))
    own = {
        **{name: f"http://{HOST}:{simulators_port}/{name[:-4]}" for name in PARTNER_URLS},
        "smtp_url": f"smtp://{HOST}:{smtp_port}",
    }
    partners = {
        name.upper(): str(getattr(settings, name)) if name in given else url
        for name, url in own.items()
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


def _listen(settings: Settings, names: tuple[str, ...], ports: Ports, last: int) -> int:
    """The simulators' port: that of a URL given for this machine, if nobody listens there.

    Where somebody does, that is a partner of the user's own, and is left in peace.
    """
    for name in names:
        url = urlsplit(str(getattr(settings, name)))
        here = name in settings.model_fields_set and url.hostname in LOOPBACK
        if here and url.port and ports.could_have(url.port):
            return ports.choose(name.upper(), url.port, given=True)
    usual = urlsplit(str(Settings.model_fields[names[0]].default)).port or 0
    return ports.choose(names[0].upper(), usual, given=False, last=last)
