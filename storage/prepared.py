"""Statements put straight to SQLite's driver: what the library works out anew at every call is worked out once.

A Core statement is compiled when it is met for the second time, together with the conversions of its values and
columns; from then on an execution is a call of the driver and little else. What a statement is and what it returns
stay the same. Statements made for one call only, and calls somebody listens to, take the library's way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, CursorResult, Delete, Dialect, Engine, Insert, Select, Update
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.schema import CallableColumnDefault, Column, ScalarElementColumnDefault

P = TypeVar("P")
_Values = Mapping[str, Any]
_Take = Callable[[_Values], Any]
_KINDS = (Select, Insert, Update, Delete)
_LONGEST_LIST = 16


class Found(IteratorResult[Any]):
    """What a prepared statement gave: its rows, and how many it changed."""

    def __init__(self, metadata: SimpleResultMetaData, rows: Sequence[Any], rowcount: int) -> None:
        super().__init__(metadata, iter(rows))
        self.rowcount = rowcount


class Met(Generic[P]):
    """The plans of statements of some kinds that were met before."""

    def __init__(self, kinds: tuple[type, ...]) -> None:
        self._kinds = kinds
        self._known: WeakKeyDictionary[Any, dict[Any, P | None]] = WeakKeyDictionary()

    def plans_of(self, statement: Any) -> dict[Any, P | None] | None:
        """Give a statement's plans by the shape of its values; None when the library is to execute it."""
        if not isinstance(statement, self._kinds):
            return None
        plans = self._known.get(statement)
        if plans is None:
            # Met for the first time: most of these are made for one call and never met again.
            self._known[statement] = {}
        return plans


class _Unfit(Exception):
    """A statement with something that is worked out at each call."""


class _Plan:
    """The SQL of a statement for values of one shape."""

    def __init__(self, sql: str, takes: Sequence[_Take], columns: Sequence[Column[Any]], dialect: Dialect) -> None:
        self.sql = sql
        self._takes = takes
        self._converts = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._metadata: SimpleResultMetaData | None = None

    def bind(self, values: _Values) -> list[Any]:
        """Put the values into the order and shape the driver takes."""
        return [take(values) for take in self._takes]

    def found(self, cursor: sqlite3.Cursor) -> Found:
        """Fetch everything."""
        rows: list[Any] = cursor.fetchall() if self._converts else []
        if self._metadata is None:
            names = [column[0] for column in cursor.description or ()]
            self._metadata = SimpleResultMetaData(names, _processors=self._converts)
        return Found(self._metadata, rows, cursor.rowcount)


class Plans:
    """The plans of the statements of one database; its connections share them."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._met: Met[_Plan] = Met(_KINDS)

    def find(self, statement: Any, values: _Values, *, many: bool) -> _Plan | None:
        """Give the plan; None when the library is to execute it."""
        plans = self._met.plans_of(statement)
        if plans is None:
            return None
        shape = (many, *[name if type(value) is not list else (name, len(value)) for name, value in values.items()])
        if shape not in plans:
            plans[shape] = self._make(statement, values, many=many)
        return plans[shape]

    def _make(self, statement: Any, values: _Values, *, many: bool) -> _Plan | None:
        compiled = statement.compile(dialect=self._dialect, column_keys=list(values), for_executemany=many)
        columns = [] if compiled.is_ddl else list(statement.exported_columns)
        try:
            return _Plan(*_sql_of(compiled, values), columns, self._dialect)
        except _Unfit:
            return None


def _sql_of(compiled: SQLCompiler, values: _Values) -> tuple[str, list[_Take]]:
    """Give the SQL and how each of its places is filled."""
    if compiled.literal_execute_params or compiled.update_prefetch or compiled.positiontup is None:
        raise _Unfit
    made = {column.key: _default(column) for column in compiled.insert_prefetch}
    if not compiled.post_compile_params:
        return compiled.string, [_take(compiled, name, values, made) for name in compiled.positiontup]
    state = compiled.construct_expanded_state(dict(values))
    if any(not 0 < len(parts) <= _LONGEST_LIST for parts in state.parameter_expansion.values()):
        raise _Unfit
    parts = {part: (name, at) for name, each in state.parameter_expansion.items() for at, part in enumerate(each)}
    takes = [
        _take_part(compiled, *parts[name]) if name in parts else _take(compiled, name, values, made)
        for name in state.positiontup or ()
    ]
    return state.statement, takes


def _take(compiled: SQLCompiler, name: str, values: _Values, made: Mapping[str, Callable[[], Any]]) -> _Take:
    bind = compiled.binds[name]
    convert = _convert(compiled, bind)
    key = bind.key if bind.key in values else name
    if key in values:
        return (lambda given: given[key]) if convert is None else (lambda given: convert(given[key]))
    if key in made:
        make = made[key]
        return (lambda _: make()) if convert is None else (lambda _: convert(make()))
    if bind.required or bind.callable is not None:
        raise _Unfit
    value = bind.value if convert is None else convert(bind.value)
    return lambda _: value


def _take_part(compiled: SQLCompiler, name: str, at: int) -> _Take:
    bind = compiled.binds[name]
    convert = _convert(compiled, bind)
    key = bind.key
    return (lambda given: given[key][at]) if convert is None else (lambda given: convert(given[key][at]))


def _convert(compiled: SQLCompiler, bind: BindParameter[Any]) -> Callable[[Any], Any] | None:
    dialect = compiled.dialect
    return bind.type.dialect_impl(dialect).bind_processor(dialect)


def _default(column: Column[Any]) -> Callable[[], Any]:
    default = column.default
    if isinstance(default, ScalarElementColumnDefault):
        value = default.arg
        return lambda: value
    if isinstance(default, CallableColumnDefault):
        make = cast("Callable[[Any], Any]", default.arg)
        return lambda: make(None)
    raise _Unfit


class PreparedConnection(Connection):
    """A connection to SQLite that puts statements it has met before straight to the driver.

    It begins and ends nothing by itself: whoever opened it uses ``say`` and ``end``.
    """

    def __init__(self, engine: Engine, plans: Plans) -> None:
        """Take a connection of the engine's pool."""
        super().__init__(engine)
        self.driver = cast("sqlite3.Connection", self.connection.driver_connection)
        self._plans = plans
        # The library would roll back by itself after a mistake in a statement if it did not believe in a transaction.
        self.begin()

    def execute(
        self,
        statement: Any,
        parameters: Any = None,
        *,
        execution_options: Any = None,
    ) -> CursorResult[Any]:
        """Execute as the library does, and return the same."""
        if execution_options or self.engine.dispatch.before_cursor_execute:
            return super().execute(statement, parameters, execution_options=execution_options)
        many = isinstance(parameters, Sequence) and len(parameters) > 1
        first = parameters if parameters is None or isinstance(parameters, Mapping) else parameters[0]
        plan = self._plans.find(statement, first or {}, many=many)
        if plan is None:
            return super().execute(statement, parameters)
        try:
            values = [plan.bind(row) for row in parameters] if many else plan.bind(first or {})
        except Exception:  # noqa: BLE001 - the library says what is wrong with a value
            return super().execute(statement, parameters)
        try:
            cursor = (self.driver.executemany if many else self.driver.execute)(plan.sql, values)
            return cast("CursorResult[Any]", plan.found(cursor))
        except sqlite3.Error as problem:
            raise self._said(plan.sql, problem) from problem

    def say(self, command: str) -> None:
        """Say BEGIN, SAVEPOINT and the like to the driver; raises as ``execute``."""
        try:
            self.driver.execute(command)
        except sqlite3.Error as problem:
            raise self._said(command, problem) from problem

    def end(self, command: str) -> None:
        """Say COMMIT or ROLLBACK to the driver, if anything is open; raises as ``execute``."""
        if self.driver.in_transaction:
            self.say(command)

    def _said(self, statement: str, problem: sqlite3.Error) -> StatementError:
        return DBAPIError.instance(statement, None, problem, sqlite3.Error, hide_parameters=True, dialect=self.dialect)
