"""What a user can get wrong, said in one line."""


class InputError(ValueError):
    """Bad input from the user: where, what it got, what it expected, what to do.

    The command line prints it as one line and exits with status 2.
    """


class ModelError(InputError):
    """The user's model broke the contract, or raised; the cause is kept for ``--verbose``."""


def one_line(error: BaseException) -> str:
    r"""An exception's message on one line, with its type where the message says nothing.

    >>> one_line(ValueError("a\nb"))
    'a b'
    >>> one_line(KeyError())
    'KeyError'
    """
    return " ".join(str(error).split()) or type(error).__name__
