"""Types of the fields of a record."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Records may come from other people: text in them must not contain control codes of a terminal.
Text = Annotated[str, Field(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$", max_length=500)]
Value = bool | int | float | Text | None
Fraction = Annotated[float, Field(ge=0, le=1)]
Identifier = Annotated[str, Field(pattern=r"^\w[\w.:+-]*$", max_length=200)]  # also used as the name of a folder


class Part(BaseModel):
    """Base class of a record and its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
