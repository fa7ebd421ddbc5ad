"""How templates are compiled: as Jinja2 does it, but for less work at each rendering, with the same output.

Most of the time of a rendering goes not into the words but into ways that Jinja2 keeps open and our templates never
take: a called function may want the template's context, what is put out may be joined as markup later, what is included
may be another template each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from jinja2 import DictLoader, Environment, nodes
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
    """An environment for templates whose text is known: `sources` by name, which include one another by name only.

    `functions` are called directly, and at once where they are constant; `values` are put in when a template is
    compiled. What functions give must depend on their arguments alone, and attributes of values be constants, as long
    as the environment lives.
    """

    def __init__(
        self,
        sources: Mapping[str, str],
        functions: Mapping[str, Callable[..., Any]],
        values: Mapping[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(loader=DictLoader(sources), **options)
        self._sources, self._functions, self._values = sources, frozenset(functions), values
        self.filters.update(functions)
        self.globals.update(values)
        self.put_out = put_out
        self.code_generator_class = _Code

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """What templates know besides their context: one dictionary, for it is copied at each rendering and inclusion.

        Jinja2 chains two, so that what is added later is known too; here nothing is, once a template was asked for.
        """
        return {**self.globals, **(d or {})}

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        return super()._generate(_Straightened(self).visit(source), name, filename, defer_init)

    def body(self, name: str) -> list[nodes.Node]:
        """What a template consists of, to stand in another."""
        return self._parse(self._sources[name], name, None).body

    def is_function(self, node: nodes.Expr) -> bool:
        """Whether a node is the name of one of the functions."""
        return isinstance(node, nodes.Name) and node.name in self._functions

    def value(self, node: nodes.Expr, attribute: str) -> Any:
        """What an attribute of one of the values is; None where the node is no name of a value."""
        known = self._values.get(node.name) if isinstance(node, nodes.Name) else None
        return None if known is None else getattr(known, attribute)


class _Straightened(NodeTransformer):
    """Takes the ways that are known when a template is compiled."""

    def __init__(self, environment: Direct) -> None:
        self._environment, self._loops = environment, 0

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - as jinja2 calls it
        self._loops += 1
        self.generic_visit(node)
        self._loops -= 1
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        """`f(a, b)` becomes `a|f(b)`: Jinja2 calls a filter directly, and computes it when it compiles if it can."""
        self.generic_visit(node)
        called = node.node
        if not (isinstance(called, nodes.Name) and self._environment.is_function(called) and node.args):
            return node
        return nodes.Filter(
            node.args[0], called.name, node.args[1:], node.kwargs, node.dyn_args, node.dyn_kwargs, lineno=node.lineno
        )

    def visit_Include(self, node: nodes.Include) -> nodes.Node:  # noqa: N802
        """What is included in a loop stands there: that takes no context of its own each time, but one more to compile.

        Elsewhere a template is compiled once for all that include it.
        """
        if not self._loops:
            return node
        assert isinstance(node.template, nodes.Const)
        body = nodes.Scope(self._environment.body(node.template.value)).set_lineno(node.lineno)
        return self.generic_visit(body)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        """An attribute of a value is a constant."""
        self.generic_visit(node)
        known = self._environment.value(node.node, node.attr)
        return node if known is None else nodes.Const(known, lineno=node.lineno)


class _Code(CodeGenerator):
    """Puts values out by `put_out`."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.put_out(")
