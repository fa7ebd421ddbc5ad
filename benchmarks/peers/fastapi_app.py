"""What many would write: FastAPI, Pydantic, SQLAlchemy and SQLite in one file, as their tutorials have it.

A review is a row; its body is stored as it came. SQLite runs in WAL mode with `synchronous=FULL`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import JSON, create_engine, event, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

SECRET = os.environ["PEER_SECRET"]
engine = create_engine(f"sqlite:///{os.environ['PEER_DATABASE']}")


@event.listens_for(engine, "connect")
def _durable(connection: Any, _: Any) -> None:
    for pragma in ("busy_timeout = 30000", "journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


class Base(DeclarativeBase):
    """The tables."""


class Review(Base):
    """A review as it is stored."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    content: Mapped[str]
    camera_model: Mapped[str]
    summary: Mapped[str]
    tags: Mapped[list[str]] = mapped_column(JSON)
    rating: Mapped[float | None]
    pros: Mapped[list[str]] = mapped_column(JSON)
    cons: Mapped[list[str]] = mapped_column(JSON)
    editor: Mapped[str]
    created_at: Mapped[datetime]


Base.metadata.create_all(engine)


class NewReview(BaseModel):
    """A review as it comes in."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=300)]
    content: Annotated[str, Field(min_length=1, max_length=400_000)]
    camera_model: Annotated[str, Field(min_length=1, max_length=300)]
    summary: Annotated[str, Field(max_length=600)] = ""
    tags: Annotated[list[str], Field(max_length=8)] = []
    rating: Annotated[float | None, Field(ge=0, le=10)] = None
    pros: list[str] = []
    cons: list[str] = []


class ReviewAnswer(NewReview):
    """A review as it is answered."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    editor: str
    created_at: datetime


def session() -> Iterator[Session]:
    """A session for one request."""
    with Session(engine) as opened:
        yield opened


def editor(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    """Who asks."""
    try:
        return str(jwt.decode(bearer.credentials, SECRET, algorithms=["HS256"])["sub"])
    except jwt.PyJWTError as error:
        raise HTTPException(401, "not a valid token") from error


app = FastAPI()


@app.post("/reviews", status_code=201, response_model=ReviewAnswer)
def create(
    said: NewReview, who: Annotated[str, Depends(editor)], opened: Annotated[Session, Depends(session)]
) -> Review:
    """Store a review."""
    review = Review(**said.model_dump(), editor=who, created_at=datetime.now(UTC))
    opened.add(review)
    opened.commit()
    opened.refresh(review)
    return review


@app.get("/synchronous")
def synchronous(opened: Annotated[Session, Depends(session)]) -> int:
    """Which `synchronous` SQLite runs."""
    return int(opened.execute(text("PRAGMA synchronous")).scalar_one())
