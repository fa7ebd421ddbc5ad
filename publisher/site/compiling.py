"""How templates are compiled: as Jinja2 does it, but for less work at each rendering, with the same output.

Most of the time of a rendering goes not into the words but into ways that Jinja2 keeps open and our templates never
take: a called function may want the template's context, and what is put out may be joined as markup later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape


def put_out(value: Any) -> str:
    """`value` as HTML, like `markupsafe.escape`; a plain string, which nearly all are, stays one."""
    kind = type(value)
    if kind is str:
        said: str = value
        return (
            said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
            .replace("'", "&#39;")
        )  # fmt: skip
    return value if kind is Markup else escape(value)


class Direct(Environment):
    """An environment in which `functions`, given by name, are called directly, and at once where they are constant.

    Their values must depend on their arguments alone, as long as the environment lives.
    """

    def __init__(self, functions: dict[str, Callable[..., Any]], **options: Any) -> None:
        super().__init__(**options)
        self._functions = frozenset(functions)
        self.filters.update(functions)
        self.put_out = put_out
        self.code_generator_class = _Code

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        return super()._generate(_AsFilters(self._functions).visit(source), name, filename, defer_init)


class _AsFilters(NodeTransformer):
    """`f(a, b)` becomes `a|f(b)`: Jinja2 calls a filter directly, and computes it when it compiles if it can."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - as jinja2 calls it
        self.generic_visit(node)
        called = node.node
        if not (isinstance(called, nodes.Name) and called.name in self._names and node.args):
            return node
        return nodes.Filter(
            node.args[0], called.name, node.args[1:], node.kwargs, node.dyn_args, node.dyn_kwargs, lineno=node.lineno
        )


class _Code(CodeGenerator):
    """Puts values out by `put_out`."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.put_out(")
