"""Options that take several files: `--data A B`, or the option repeated."""

from __future__ import annotations

import click


class SeveralFiles(click.Command):
    """A command whose `multiple` options also take several values at once.

    What follows such an option up to the next one belongs to it; so the command has no arguments
    of its own.

    >>> command = SeveralFiles("c", params=[click.Option(["--data"], multiple=True)])
    >>> with command.make_context("c", ["--data", "a", "b", "--data=c"]) as context:
    ...     context.params["data"]
    ('a', 'b', 'c')
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the option before each of its values, then parse as usual."""
        several = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.multiple
            for name in parameter.opts
        }
        spread: list[str] = []
        option = ""
        values = 0
        for arg in args:
            name = arg.partition("=")[0]
            if arg.startswith("-") and arg != "-":
                option, values = (name if name in several else ""), int("=" in arg)
            elif option:
                values += 1
                if values > 1:
                    spread.append(option)
            spread.append(arg)
        return super().parse_args(ctx, spread)
