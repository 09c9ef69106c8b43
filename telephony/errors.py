"""The exception tree of the phone side: `Local…` is our fault, `Remote…` theirs; `retryable` says if it can pass."""


class TelephonyError(Exception):
    """Base of every error raised by this package."""

    retryable = False


class LocalProtocolError(TelephonyError):
    """We asked a codec for something the vendor's protocol cannot say."""


class RemoteProtocolError(TelephonyError):
    """The vendor sent a message that breaks its own format.

    `code` is short and stable, fit for counting; the text says what was wrong, without the payload. The call can go on,
    except where `close_code` says with which WebSocket code to end it.
    """

    def __init__(self, code: str, detail: str, *, close_code: int | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.close_code = close_code


class PhoneNumberError(TelephonyError):
    """A text is not a phone number that may be dialed; `code` names the reason, `detail` says what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
