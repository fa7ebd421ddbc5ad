"""YAML as people like to read it: keys in their order, no aliases, text of several lines as such."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes plain values."""

    def ignore_aliases(self, data: Any) -> bool:
        """A value that stands in two places is written twice."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def dump(value: Any) -> bytes:
    """`value`, which is made of plain values, as YAML."""
    said: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
    return said.encode()
