"""The simulators' root: `python -m simulators --port P --smtp-port S [--host H]`."""

import argparse

import uvicorn

from exits import told
from models.errors import FieldError, WrongVariables
from models.settings import Settings
from simulators.app import create_app
from simulators.contract import SimulatorConfig

SHUTDOWN_SECONDS = 2


def main() -> None:
    """Run the simulators until they are told to stop."""
    parser = argparse.ArgumentParser(prog="simulators", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    config = configured(Settings.read(), options.host, options.smtp_port)
    uvicorn.run(
        create_app(config),
        host=options.host,
        port=options.port,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def configured(settings: Settings, smtp_host: str, smtp_port: int) -> SimulatorConfig:
    """The simulators' part of the settings; raises WrongVariables when a secret is missing."""
    return SimulatorConfig(
        books=settings.var_dir / "partners.db",
        mail_dir=settings.var_dir / "mail",
        callback_url=f"http://127.0.0.1:{settings.api_port}/webhooks",
        secrets={
            "payments": _first("WEBHOOK_SECRET_PAYMENTS", settings.webhook_secret_payments),
            "suppliers": _first("WEBHOOK_SECRET_SUPPLIERS", settings.webhook_secret_suppliers),
            "carriers": _first("WEBHOOK_SECRET_CARRIERS", settings.webhook_secret_carriers),
        },
        smtp_host=smtp_host,
        smtp_port=smtp_port,
        auto=settings.partners == "auto",
        delay_seconds=settings.partner_delay,
    )


def _first(name: str, secrets: str) -> str:
    """The secret to sign with: the first of those separated by spaces."""
    if not secrets.split():
        raise WrongVariables([FieldError(name, "must be set: the partners sign with it")])
    return secrets.split()[0]


if __name__ == "__main__":
    with told():
        main()
