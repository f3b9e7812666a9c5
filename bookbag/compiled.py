"""Queries whose SQL is made once.

Building a query costs several times what running it does. One that is asked all the
time is built by the ORM once, with slots where the values go, and from then on only
run. So the models stay the one description of the tables, on both databases.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Field, QuerySet
from django.db.models.expressions import Expression

Row = TypeVar("Row")


class Slot(Expression):
    """Where a value goes that is not null: `filter(agent=Slot("agent", …))`. The field
    is of the column that it is compared with."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return "%s", [self]


class Compiled(Generic[Row]):
    """A queryset with slots.

    `make` is called once for each shape that is asked for, whatever it is that the SQL
    differs by: Compiled(lambda most: Thing.objects.filter(…)[:most]). It must give
    plain rows, or tuples of `values_list`: no annotations, nothing prefetched or
    selected with them.
    """

    def __init__(self, make: Callable[..., QuerySet[Any, Row]]) -> None:
        self._make = make
        self._statements: dict[Hashable, _Statement[Row]] = {}

    def rows(self, *shape: Hashable, **values: Any) -> list[Row]:
        """The rows, with these values in the slots."""
        kind = (connection.vendor, shape)
        statement = self._statements.get(kind)
        if statement is None:
            statement = self._statements[kind] = _compile(self._make(*shape))
        return statement.run(values)


@dataclass(frozen=True, slots=True)
class _Statement(Generic[Row]):
    sql: str
    parameters: Sequence[Any]  # values, and slots for them
    converters: list[tuple[int, Sequence[Any], Any]]
    row: Callable[[Sequence[Any]], Row]

    def run(self, values: dict[str, Any]) -> list[Row]:
        parameters = [
            one.output_field.get_db_prep_value(values[one.name], connection)
            if isinstance(one, Slot)
            else one
            for one in self.parameters
        ]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            found = cursor.fetchall()
        return [self.row(self._convert(values)) for values in found]

    def _convert(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self.converters:
            return row
        values = list(row)
        for place, converters, expression in self.converters:
            for convert in converters:
                values[place] = convert(values[place], expression, connection)
        return values


def _compile(queryset: QuerySet[Any, Row]) -> _Statement[Row]:
    compiler = queryset.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    selected = [expression for expression, _, _ in compiler.select or ()]
    converters = compiler.get_converters(selected)
    columns = [expression.target.attname for expression in selected]
    instance = partial(queryset.model.from_db, DEFAULT_DB_ALIAS, columns)
    return _Statement(
        sql,
        parameters,
        [(place, some, what) for place, (some, what) in converters.items()],
        tuple if queryset.query.values_select else instance,
    )
