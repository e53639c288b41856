from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AwaitFutureRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class AwaitFutureResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CancelFutureRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CancelFutureResponse(_message.Message):
    __slots__ = ["cancelled"]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    cancelled: bool
    def __init__(self, cancelled: bool = ...) -> None: ...
