"""The notation: text to network. `parse(repr(net)) == net` for every network.

The text is parsed as a Python expression by `ast` and checked against a white list: the four operators, the
layers, `gate`, `named` and `side`, and literals as their arguments. Nothing is evaluated.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from hubel.errors import NetworkError, NotationError, nearest
from hubel.net.algebra import Net, Times, gate, named, side
from hubel.net.layer import Ready
from hubel.net.names import LAYERS
from hubel.net.volume import LARGEST

MAX_TEXT = 4_000_000
"""The most characters a notation may have."""

_OPERATORS: dict[type[ast.operator], Callable[[Net, Net], Net]] = {
    ast.RShift: lambda a, b: a >> b,
    ast.BitOr: lambda a, b: a | b,
    ast.Add: lambda a, b: a + b,
}
_WRAPPERS: dict[str, Callable[..., Net]] = {"gate": gate, "named": named, "side": side}
_ARGUMENTS = (ast.Constant, ast.Tuple, ast.List, ast.UnaryOp)


def parse(text: str) -> Net:
    """Returns the network of a notation, such as `"conv(6, 5) >> relu >> fc(10)"`.

    Raises NotationError: the text is not a network, with a caret under the error; or it exceeds `MAX_TEXT`,
    or the limits on layers and nesting in `hubel.net.algebra`.
    """
    if len(text) > MAX_TEXT:
        raise NotationError(f"a notation has at most {MAX_TEXT:,} characters, not {len(text):,}")
    source = " ".join(text.split())
    if not source:
        raise NotationError("the notation is empty; write a network such as conv(6, 5) >> relu >> fc(10)")
    if "#" in source:  # on one line it would hide what follows
        raise NotationError(_marked(source, "a notation has no comments", source.index("#")))
    try:
        return _Reader(source).read(_tree(source))
    except RecursionError:
        raise NotationError("the notation is nested too deeply to be read") from None


def _tree(source: str) -> ast.expr:
    """Returns the syntax tree of a one-line text. Raises NotationError: it is not an expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        at = (error.offset or 1) - 1
        raise NotationError(_marked(source, f"this is not an expression ({error.msg})", at)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotationError(f"this cannot be read as an expression ({error})") from None


class _Reader:
    """Reads a syntax tree; `source` is the text, which error messages show."""

    def __init__(self, source: str) -> None:
        self.source = source

    def read(self, tree: ast.expr) -> Net:
        """Returns the network of a whole tree."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value > LARGEST:
                raise self._error(node, f"a whole number in a notation is at most {LARGEST:,}")
        return self.net(tree)

    def net(self, node: ast.expr) -> Net:
        """Returns the network of an expression."""
        match node:
            case ast.BinOp(op=ast.Mult()):
                return self._times(node)
            case ast.BinOp():
                return self._operators(node)
            case ast.Name():
                return self._value(node)
            case ast.Call():
                return self._call(node)
        raise self._error(node, "a network is expected here: layers joined by >>, |, + and n *")

    def _operators(self, node: ast.BinOp) -> Net:
        """Returns the network of a chain of one operator, read from the left without recursion."""
        join = _OPERATORS.get(type(node.op))
        if join is None:
            raise self._error(node, "the operators are >> (then), | (beside), + (plus) and n * (times)")
        operands: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and type(left.op) is type(node.op):
            operands.append(left.right)
            left = left.left
        net = self.net(left)
        for operand in reversed(operands):
            net = self._made(operand, join, net, self.net(operand))
        return net

    def _times(self, node: ast.BinOp) -> Net:
        match node.left:
            case ast.Constant(value=int(copies)) if not isinstance(copies, bool):
                return self._made(node, Times, copies, self.net(node.right))
        raise self._error(node.left, "a whole number of copies stands left of *, such as 3 * conv(64, 3)")

    def _value(self, node: ast.Name) -> Net:
        layer = LAYERS.get(node.id)
        if isinstance(layer, Net):
            return layer
        if layer is not None or node.id in _WRAPPERS:
            raise self._error(node, f"{node.id} needs arguments: {self._signature(node.id)}")
        raise self._unknown(node)

    def _call(self, node: ast.Call) -> Net:
        if not isinstance(node.func, ast.Name):
            raise self._error(node, "only layers, gate, named and side are called")
        name = node.func.id
        make = LAYERS.get(name) or _WRAPPERS.get(name)
        if make is None:
            raise self._unknown(node.func)
        values = [self._argument(value, name) for value in node.args]
        words: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self._error(keyword.value, "arguments are written out, without **")
            if keyword.arg in words:
                raise self._error(keyword.value, f"{name}: {keyword.arg} is given twice")
            words[keyword.arg] = self._argument(keyword.value, name)
        return self._made(node, make, *values, **words)

    def _argument(self, node: ast.expr, owner: str) -> object:
        """Returns a literal; for `gate`, `named` and `side`, a network too."""
        if isinstance(node, _ARGUMENTS):
            try:
                return ast.literal_eval(node)
            except (ValueError, TypeError, RecursionError):
                pass
        elif owner in _WRAPPERS:
            return self.net(node)
        raise self._error(
            node, f"an argument of {owner} is a number written out, a text, True, False, None or a tuple"
        )

    def _made(self, node: ast.expr, make: Callable[..., Net], *values: object, **words: object) -> Net:
        """Returns what `make` makes of the arguments. Raises NotationError at `node` where that fails."""
        try:
            return make(*values, **words)
        except NetworkError as error:
            raise self._error(node, str(error)) from None
        except TypeError:
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            wrong = [word for word in words if word not in inspect.signature(make).parameters]
            hint = nearest(wrong[0], inspect.signature(make).parameters) if wrong else ""
            raise self._error(node, f"write {self._signature(name)}{hint}") from None

    def _signature(self, name: str) -> str:
        make = LAYERS.get(name) or _WRAPPERS[name]
        parameters = inspect.signature(type(make) if isinstance(make, Ready) else make).parameters.values()
        bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
        return name + str(inspect.Signature(bare))

    def _unknown(self, node: ast.Name) -> NotationError:
        known = [*LAYERS, *_WRAPPERS]
        hint = nearest(node.id, known) or f"; there are {', '.join(known)}"
        return self._error(node, f"there is no layer {node.id}{hint}")

    def _error(self, node: ast.expr, why: str) -> NotationError:
        before = self.source.encode()[: node.col_offset]  # the tree counts bytes, the caret characters
        return NotationError(_marked(self.source, why, len(before.decode())))


def _marked(source: str, why: str, at: int, width: int = 76) -> str:
    """Returns a message with the text around a position and a caret under it."""
    start = max(0, min(at - width // 2, len(source) - width))
    shown = source[start : start + width]
    return f"{why}\n  {shown}\n  {' ' * (at - start)}^"
