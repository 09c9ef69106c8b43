from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HealthCheckRequest(_message.Message):
    __slots__ = ("service",)
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    service: str
    def __init__(self, service: _Optional[str] = ...) -> None: ...

class HealthCheckResponse(_message.Message):
    __slots__ = ("status",)
    class ServingStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[HealthCheckResponse.ServingStatus]
        SERVING: _ClassVar[HealthCheckResponse.ServingStatus]
        NOT_SERVING: _ClassVar[HealthCheckResponse.ServingStatus]
        SERVICE_UNKNOWN: _ClassVar[HealthCheckResponse.ServingStatus]
    UNKNOWN: HealthCheckResponse.ServingStatus
    SERVING: HealthCheckResponse.ServingStatus
    NOT_SERVING: HealthCheckResponse.ServingStatus
    SERVICE_UNKNOWN: HealthCheckResponse.ServingStatus
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: HealthCheckResponse.ServingStatus
    def __init__(self, status: _Optional[_Union[HealthCheckResponse.ServingStatus, str]] = ...) -> None: ...

class ClientRequest(_message.Message):
    __slots__ = ("status", "initial_info", "play_audio", "disconnect", "dtmf", "playback", "interrupted", "tool_result")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_INFO_FIELD_NUMBER: _ClassVar[int]
    PLAY_AUDIO_FIELD_NUMBER: _ClassVar[int]
    DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    DTMF_FIELD_NUMBER: _ClassVar[int]
    PLAYBACK_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    TOOL_RESULT_FIELD_NUMBER: _ClassVar[int]
    status: bool
    initial_info: InitialInfo
    play_audio: AudioChunk
    disconnect: Disconnect
    dtmf: Dtmf
    playback: Playback
    interrupted: Interrupted
    tool_result: ToolResult
    def __init__(self, status: _Optional[bool] = ..., initial_info: _Optional[_Union[InitialInfo, _Mapping]] = ..., play_audio: _Optional[_Union[AudioChunk, _Mapping]] = ..., disconnect: _Optional[_Union[Disconnect, _Mapping]] = ..., dtmf: _Optional[_Union[Dtmf, _Mapping]] = ..., playback: _Optional[_Union[Playback, _Mapping]] = ..., interrupted: _Optional[_Union[Interrupted, _Mapping]] = ..., tool_result: _Optional[_Union[ToolResult, _Mapping]] = ...) -> None: ...

class InitialInfo(_message.Message):
    __slots__ = ("workspace_id", "call_id", "customer_phone_number", "type_call", "hotline", "url_audio_file", "parameters", "protocol_version", "accepted_output_rates", "history", "transfer_targets", "waits_for_customer")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_PHONE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TYPE_CALL_FIELD_NUMBER: _ClassVar[int]
    HOTLINE_FIELD_NUMBER: _ClassVar[int]
    URL_AUDIO_FILE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_OUTPUT_RATES_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_TARGETS_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    workspace_id: str
    call_id: str
    customer_phone_number: str
    type_call: str
    hotline: str
    url_audio_file: str
    parameters: _containers.ScalarMap[str, str]
    protocol_version: int
    accepted_output_rates: _containers.RepeatedScalarFieldContainer[int]
    history: _containers.RepeatedCompositeFieldContainer[Transcript]
    transfer_targets: _containers.RepeatedCompositeFieldContainer[Staff]
    waits_for_customer: bool
    def __init__(self, workspace_id: _Optional[str] = ..., call_id: _Optional[str] = ..., customer_phone_number: _Optional[str] = ..., type_call: _Optional[str] = ..., hotline: _Optional[str] = ..., url_audio_file: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ..., protocol_version: _Optional[int] = ..., accepted_output_rates: _Optional[_Iterable[int]] = ..., history: _Optional[_Iterable[_Union[Transcript, _Mapping]]] = ..., transfer_targets: _Optional[_Iterable[_Union[Staff, _Mapping]]] = ..., waits_for_customer: _Optional[bool] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("sample_rate", "sample_width", "num_channels", "duration", "audio_content", "item_id", "offset_ms", "is_last")
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    NUM_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_CONTENT_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    sample_rate: int
    sample_width: int
    num_channels: int
    duration: float
    audio_content: bytes
    item_id: str
    offset_ms: int
    is_last: bool
    def __init__(self, sample_rate: _Optional[int] = ..., sample_width: _Optional[int] = ..., num_channels: _Optional[int] = ..., duration: _Optional[float] = ..., audio_content: _Optional[bytes] = ..., item_id: _Optional[str] = ..., offset_ms: _Optional[int] = ..., is_last: _Optional[bool] = ...) -> None: ...

class Disconnect(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Dtmf(_message.Message):
    __slots__ = ("digit", "duration_ms")
    DIGIT_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    digit: str
    duration_ms: int
    def __init__(self, digit: _Optional[str] = ..., duration_ms: _Optional[int] = ...) -> None: ...

class Playback(_message.Message):
    __slots__ = ("item_id", "heard_ms", "finished", "estimated")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    HEARD_MS_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    heard_ms: int
    finished: bool
    estimated: bool
    def __init__(self, item_id: _Optional[str] = ..., heard_ms: _Optional[int] = ..., finished: _Optional[bool] = ..., estimated: _Optional[bool] = ...) -> None: ...

class Interrupted(_message.Message):
    __slots__ = ("item_id", "heard_ms")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    HEARD_MS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    heard_ms: int
    def __init__(self, item_id: _Optional[str] = ..., heard_ms: _Optional[int] = ...) -> None: ...

class ToolResult(_message.Message):
    __slots__ = ("tool_call_id", "result_json")
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    tool_call_id: str
    result_json: str
    def __init__(self, tool_call_id: _Optional[str] = ..., result_json: _Optional[str] = ...) -> None: ...

class ServerResponse(_message.Message):
    __slots__ = ("status", "audio_output", "signal", "error", "text_output", "transcript", "user_speech", "tool_call")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TEXT_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    USER_SPEECH_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    status: bool
    audio_output: AudioChunk
    signal: Signal
    error: Error
    text_output: Text
    transcript: Transcript
    user_speech: UserSpeech
    tool_call: ToolCall
    def __init__(self, status: _Optional[bool] = ..., audio_output: _Optional[_Union[AudioChunk, _Mapping]] = ..., signal: _Optional[_Union[Signal, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., text_output: _Optional[_Union[Text, _Mapping]] = ..., transcript: _Optional[_Union[Transcript, _Mapping]] = ..., user_speech: _Optional[_Union[UserSpeech, _Mapping]] = ..., tool_call: _Optional[_Union[ToolCall, _Mapping]] = ...) -> None: ...

class Signal(_message.Message):
    __slots__ = ("end_call", "transfer_call", "kill_audio")
    END_CALL_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_CALL_FIELD_NUMBER: _ClassVar[int]
    KILL_AUDIO_FIELD_NUMBER: _ClassVar[int]
    end_call: EndCall
    transfer_call: TransferCall
    kill_audio: KillAudio
    def __init__(self, end_call: _Optional[_Union[EndCall, _Mapping]] = ..., transfer_call: _Optional[_Union[TransferCall, _Mapping]] = ..., kill_audio: _Optional[_Union[KillAudio, _Mapping]] = ...) -> None: ...

class EndCall(_message.Message):
    __slots__ = ("call_id", "tool_call_id", "reason")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    tool_call_id: str
    reason: str
    def __init__(self, call_id: _Optional[str] = ..., tool_call_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Staff(_message.Message):
    __slots__ = ("name", "phone_number")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHONE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    name: str
    phone_number: str
    def __init__(self, name: _Optional[str] = ..., phone_number: _Optional[str] = ...) -> None: ...

class TransferCall(_message.Message):
    __slots__ = ("call_id", "customer_phone_number", "target_staff", "tool_call_id")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_PHONE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TARGET_STAFF_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    customer_phone_number: str
    target_staff: _containers.RepeatedCompositeFieldContainer[Staff]
    tool_call_id: str
    def __init__(self, call_id: _Optional[str] = ..., customer_phone_number: _Optional[str] = ..., target_staff: _Optional[_Iterable[_Union[Staff, _Mapping]]] = ..., tool_call_id: _Optional[str] = ...) -> None: ...

class KillAudio(_message.Message):
    __slots__ = ("call_id",)
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    def __init__(self, call_id: _Optional[str] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("error_code", "internal_error_code", "message", "retryable")
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    error_code: int
    internal_error_code: int
    message: str
    retryable: bool
    def __init__(self, error_code: _Optional[int] = ..., internal_error_code: _Optional[int] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...

class Text(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Transcript(_message.Message):
    __slots__ = ("role", "text", "final", "item_id", "start_ms", "end_ms")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    role: str
    text: str
    final: bool
    item_id: str
    start_ms: int
    end_ms: int
    def __init__(self, role: _Optional[str] = ..., text: _Optional[str] = ..., final: _Optional[bool] = ..., item_id: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ...) -> None: ...

class UserSpeech(_message.Message):
    __slots__ = ("speaking", "audio_ms")
    SPEAKING_FIELD_NUMBER: _ClassVar[int]
    AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    speaking: bool
    audio_ms: int
    def __init__(self, speaking: _Optional[bool] = ..., audio_ms: _Optional[int] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("tool_call_id", "name", "arguments_json")
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    tool_call_id: str
    name: str
    arguments_json: str
    def __init__(self, tool_call_id: _Optional[str] = ..., name: _Optional[str] = ..., arguments_json: _Optional[str] = ...) -> None: ...
