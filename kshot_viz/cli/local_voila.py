"""Voila for this machine only: requests by another name, or from another page, are refused."""

from __future__ import annotations

from types import FrameType
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import ErrorHandler, RequestHandler
from traitlets import default
from voila.app import Voila

# A page elsewhere whose name was made to lead here sends that name.
FOREIGN_HOST = r"(?!(?:localhost|127(?:\.\d+){3}|\[::1\])$).*"


class LocalVoila(Voila):
    """Voila that serves the names of this machine only."""

    @default("identity_provider_class")
    def _identity_provider(self) -> type:
        return LocalIdentityProvider

    def init_handlers(self) -> Any:
        """Refuse all other names before any handler is asked, those of plain files too."""
        self.app.add_handlers(FOREIGN_HOST, [(r".*", ErrorHandler, {"status_code": 403})])
        return super().init_handlers()

    def _handle_signal_stop(self, sig: int, frame: FrameType | None) -> None:
        # Voila's own needs the loop, which is not there before the server listens.
        if not hasattr(self, "ioloop"):
            raise KeyboardInterrupt
        super()._handle_signal_stop(sig, frame)


class Logout(JupyterHandler):
    """Forgets the browser and asks for the token again; Voila lacks what Jupyter's page needs."""

    def get(self) -> None:
        """Log out."""
        self.identity_provider.clear_login_cookie(self)
        self.redirect(self.settings["login_url"])


class LocalIdentityProvider(PasswordIdentityProvider):
    """Asks where a page comes from even where it knows the token."""

    @default("logout_handler_class")
    def _logout_handler(self) -> type:
        return Logout

    def should_check_origin(self, handler: RequestHandler) -> bool:
        """Return True: the token is part of an address, and addresses get about."""
        return True
