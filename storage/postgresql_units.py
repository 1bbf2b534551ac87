"""Single statements on PostgreSQL put straight to its driver, in sessions that commit each by itself.

As ``storage.prepared`` does for SQLite: what the library works out anew at every call (the key under which it keeps a
statement costs more than the call) is worked out once for each statement; what an execution returns stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Dialect, Engine, Insert, Select, TextClause, Update
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

from storage.prepared import Found, Met

_Values = Mapping[str, Any]
_KINDS = (Select, Insert, Update, TextClause)


class _Plan:
    """A statement's SQL, where each of its values comes from, and how its columns are read."""

    def __init__(self, compiled: SQLCompiler, columns: list[Any], given: _Values) -> None:
        self.sql = compiled.string
        dialect = compiled.dialect
        self._columns = columns
        self._takes: list[tuple[str, str | None, Any]] = []
        for bind, name in compiled.bind_names.items():
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if bind.key in given:
                self._takes.append((name, bind.key, convert))
            else:
                self._takes.append((name, None, bind.value if convert is None else convert(bind.value)))
        self._dialect = dialect
        self._metadata: SimpleResultMetaData | None = None

    def bind(self, values: _Values) -> dict[str, Any]:
        """Shape the values as the driver takes them."""
        return {
            name: after if key is None else values[key] if after is None else after(values[key])
            for name, key, after in self._takes
        }

    def found(self, cursor: Any) -> Found:
        """Fetch everything."""
        about = cursor.description or ()
        if self._metadata is None:
            processors = [
                column.type.dialect_impl(self._dialect).result_processor(self._dialect, each.type_code)
                for column, each in zip(self._columns, about, strict=False)
            ]
            kept = processors if self._columns else None
            self._metadata = SimpleResultMetaData([each.name for each in about], _processors=kept)
        return Found(self._metadata, cursor.fetchall() if about else (), cursor.rowcount)


class SessionPlans:
    """The plans of the statements of one database; its sessions share them."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._met: Met[_Plan] = Met(_KINDS)

    def find(self, statement: Any, values: _Values) -> _Plan | None:
        """Give the plan; None when the library is to execute it."""
        plans = self._met.plans_of(statement)
        if plans is None:
            return None
        shape = tuple(values)
        if shape not in plans:
            plans[shape] = self._make(statement, values)
        return plans[shape]

    def _make(self, statement: Any, values: _Values) -> _Plan | None:
        keys = None if isinstance(statement, Select | TextClause) else list(values)
        compiled = statement.compile(dialect=self._dialect, column_keys=keys)
        worked_out_each_time = (
            compiled.literal_execute_params,
            compiled.post_compile_params,
            compiled.insert_prefetch,
            compiled.update_prefetch,
            any(bind.callable is not None for bind in compiled.bind_names),
            any(bind.required and bind.key not in values for bind in compiled.bind_names),
        )
        if any(worked_out_each_time):
            return None
        columns = [] if isinstance(statement, TextClause) else list(statement.exported_columns)
        return _Plan(compiled, columns, values)


class Session(Connection):
    """A connection whose statements are each committed by itself; those met before go straight to the driver."""

    def __init__(self, engine: Engine, plans: SessionPlans) -> None:
        """Take a connection of the engine's pool; the engine commits by itself."""
        super().__init__(engine)
        self._plans = plans

    def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> CursorResult[Any]:
        """Execute as the library does, and return the same."""
        values = parameters or {}
        others = execution_options or not isinstance(values, Mapping) or self.engine.dispatch.before_cursor_execute
        plan = None if others else self._plans.find(statement, values)
        if plan is None:
            return super().execute(statement, parameters, execution_options=execution_options)
        driver: Any = self.connection.driver_connection
        try:
            found = plan.found(driver.execute(plan.sql, plan.bind(values)))
        except self.dialect.loaded_dbapi.Error as problem:
            raise self._said(plan.sql, problem, broken=driver.closed) from problem
        return cast("CursorResult[Any]", found)

    def _said(self, statement: str, problem: Exception, *, broken: bool) -> SQLAlchemyError:
        if broken:
            self.invalidate(problem)
        kind = self.dialect.loaded_dbapi.Error
        said = DBAPIError.instance(statement, None, problem, kind, hide_parameters=True, dialect=self.dialect)
        return cast("SQLAlchemyError", said)
