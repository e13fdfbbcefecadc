"""The configuration, declared once; each root makes one and hands on what its parts need."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables (or `.env`), named as the fields in capitals.

    The engine's own address, namespace, API key and TLS are the SDK's `TEMPORAL_*`
    variables and are read by the SDK, not here.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    var_dir: Path = Path("var")
    database_url: str = ""
    """SQLAlchemy URL; empty: the SQLite file `orders.db` in VAR_DIR."""

    temporal_port: int = 7233
    ui_port: int = 8233
    api_port: int = 8080

    payments_url: str = "http://127.0.0.1:8090/payments"
    suppliers_url: str = "http://127.0.0.1:8090/suppliers"
    carriers_url: str = "http://127.0.0.1:8090/carriers"
    smtp_url: str = "smtp://127.0.0.1:8025"
    mail_from: str = "orders@shop.example"

    webhook_secret_payments: str = ""
    webhook_secret_suppliers: str = ""
    webhook_secret_carriers: str = ""
    """`whsec_...`; several, separated by spaces, while a secret is being changed."""

    partners: Literal["auto", "manual"] = "auto"
    partner_delay: float = Field(default=1.0, ge=0)
    """How long the simulators wait before each thing they do by themselves, in seconds."""

    partner_timeout: float = Field(default=10.0, gt=0)
    """How long one call to a partner may take, in seconds: also the recovery time of a lost one."""
    attention_after_attempts: int = Field(default=5, ge=1)
    """After so many failed attempts a partner step is shown as attention (and goes on)."""
    payment_deadline: float = Field(default=7 * 86400.0, gt=0)
    """How long a prepaid or cash order waits for its payment, in seconds."""

    @property
    def database(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.var_dir / 'orders.db'}"
