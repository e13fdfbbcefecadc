"""Run the simulators: `python -m simulators --port P --smtp-port S [--host H]`."""

import argparse

import uvicorn

from exits import exit_on_error
from models.errors import FieldError, InvalidSettings
from models.settings import Settings
from simulators.app import create_app
from simulators.contract import Partner, SimulatorConfig

SHUTDOWN_SECONDS = 2


def main() -> None:
    """Serve HTTP and SMTP until a signal stops the process."""
    parser = argparse.ArgumentParser(prog="simulators", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    config = simulator_config(Settings.read(), options.host, options.smtp_port)
    uvicorn.run(
        create_app(config),
        host=options.host,
        port=options.port,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def simulator_config(settings: Settings, smtp_host: str, smtp_port: int) -> SimulatorConfig:
    """Derive the simulators' configuration; raises WrongVariables if a secret is missing."""
    secrets: dict[Partner, str] = {
        "payments": settings.webhook_secret_payments,
        "suppliers": settings.webhook_secret_suppliers,
        "carriers": settings.webhook_secret_carriers,
    }
    return SimulatorConfig(
        books=settings.var_dir / "partners.db",
        mail_dir=settings.var_dir / "mail",
        callback_url=f"http://127.0.0.1:{settings.api_port}/webhooks",
        secrets={partner: _signing_secret(partner, listed) for partner, listed in secrets.items()},
        smtp_host=smtp_host,
        smtp_port=smtp_port,
        auto=settings.partners == "auto",
        delay_seconds=settings.partner_delay,
    )


def _signing_secret(partner: Partner, listed: str) -> str:
    """Return the secret to sign with: the first of a space-separated list."""
    if not listed.split():
        variable = f"WEBHOOK_SECRET_{partner.upper()}"
        reason = "must be set: the simulators sign their webhooks with it"
        raise InvalidSettings([FieldError(variable, reason)])
    return listed.split()[0]


if __name__ == "__main__":
    with exit_on_error():
        main()
