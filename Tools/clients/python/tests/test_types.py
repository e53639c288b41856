"""Values, without a service."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tinsmith import _codec, types
from tinsmith._combine import combine, split
from tinsmith._rpc.call import Answer
from tinsmith.custom_loss import CustomPass
from tinsmith.errors import InternalError, InvalidArgumentError
from tinsmith.tokenizer import load_tokenizer
from tinsmith.v1 import sampling_pb2, tensor_pb2, training_pb2
from tinsmith.v1.envelope_pb2 import ResponseHeader


def encode(tensor: types.TensorData) -> tuple[tensor_pb2.Tensor, list[bytes]]:
    writer, message = _codec.Writer(), tensor_pb2.Tensor()
    writer.tensor(message, tensor)
    return message, writer.attachments


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32"])
@pytest.mark.parametrize("shape", [[6], [2, 3], [1, 2, 3], [0]])
def test_tensors_come_back(dtype: types.TensorDtype, shape: list[int]) -> None:
    tensor = types.TensorData(np.arange(np.prod(shape)), dtype, shape)
    message, attachments = encode(tensor)
    assert not attachments
    assert _codec.Reader().tensor(message) == tensor


def test_large_tensors_travel_as_attachments() -> None:
    tensor = types.TensorData(np.arange(100_000), "float32")
    message, attachments = encode(tensor)
    assert [len(a) for a in attachments] == [400_000]
    assert _codec.Reader(attachments).tensor(message) == tensor
    with pytest.raises(InternalError):
        _codec.Reader().tensor(message)


def test_sparse_tensors_come_back() -> None:
    dense = torch.zeros(10, 50)
    dense[3, 7], dense[9, 49] = 1.5, -2.0
    tensor = types.TensorData.from_torch_sparse(dense)
    assert tensor.is_sparse and tensor.data == [1.5, -2.0]
    message, _ = encode(tensor)
    again = _codec.Reader().tensor(message)
    assert again.is_sparse and torch.equal(again.to_torch(), dense)
    assert not types.TensorData.from_torch_sparse(torch.ones(2, 2)).is_sparse


def test_bfloat16_is_widened() -> None:
    raw = (np.array([1.5, -2.0], dtype="<f4").view("<u4") >> 16).astype("<u2").tobytes()
    message = tensor_pb2.Tensor(dtype=tensor_pb2.DTYPE_BFLOAT16, shape=[2], raw=raw)
    assert _codec.Reader().tensor(message).tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "message",
    [
        tensor_pb2.Tensor(dtype=tensor_pb2.DTYPE_FLOAT32, shape=[2], raw=b"1234"),
        tensor_pb2.Tensor(dtype=tensor_pb2.DTYPE_FLOAT32, shape=[2], raw=b"12345"),
        tensor_pb2.Tensor(shape=[1], raw=b"1234"),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error(message: tensor_pb2.Tensor) -> None:
    with pytest.raises(InternalError):
        _codec.Reader().array(message)


def test_a_body_that_is_no_message_is_an_error() -> None:
    answer = Answer(ResponseHeader(), b"\xff", [])
    with pytest.raises(InternalError):
        answer.read(tensor_pb2.Tensor)


def test_lists_become_tensors_by_their_name() -> None:
    datum = types.Datum(
        types.ModelInput.from_ints([1, 2]),
        {
            "target_tokens": [2, 3],
            "weights": [0, 1],
            "advantages": np.array([1.0, 2.0]),
            "logprobs": torch.tensor([0.5, 0.25], dtype=torch.float64),
        },
    )
    assert {n: t.dtype for n, t in datum.loss_fn_inputs.items()} == {
        "target_tokens": "int64",
        "weights": "float32",
        "advantages": "float32",
        "logprobs": "float32",
    }
    for wrong in ({"other": [1]}, {"weights": ["a"]}, {"weights": [[1], [1, 2]]}):
        with pytest.raises(ValueError, match="loss_fn_inputs"):
            types.Datum(types.ModelInput.from_ints([1]), wrong)


@pytest.mark.parametrize(
    "arguments",
    [
        {"data": [1.0], "dtype": "float64"},
        {"data": [1.0], "dtype": "float32", "sparse_crow_indices": [0, 1]},
        {"data": [1.0, 2.0], "dtype": "float32", "shape": [3]},
    ],
)
def test_impossible_tensors_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        types.TensorData(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [[-1], [1 << 31], [0.5]])
def test_impossible_tokens_are_refused(tokens: list[int]) -> None:
    writer, message = _codec.Writer(), tensor_pb2.ModelInput()
    with pytest.raises(InvalidArgumentError):
        writer.model_input(message, types.ModelInput.from_ints(tokens))


def test_what_stops_a_sample() -> None:
    def stop(value: object) -> tuple[str | None, list[object]]:
        params = types.SamplingParams(stop=value)  # type: ignore[arg-type]
        message = _codec.sampling_params(params)
        kind = message.WhichOneof("stop")
        return kind, [*message.stop_strings.values, *message.stop_tokens.ids]

    assert stop(None) == (None, [])
    assert stop("a") == ("stop_strings", ["a"])
    assert stop(["a", "b"]) == ("stop_strings", ["a", "b"])
    assert stop([5, 6]) == ("stop_tokens", [5, 6])
    assert stop([]) == ("stop_tokens", [])
    wrong: object
    for wrong in (["a", 5], [-1], [1 << 31], [1 << 70], [0.5], [[5]]):
        with pytest.raises(InvalidArgumentError) as caught:
            stop(wrong)
        assert caught.value.field == "sampling_params.stop"
    # The bytes matter: presence of zeros.
    zero = _codec.sampling_params(types.SamplingParams(temperature=0, seed=0))
    assert sampling_pb2.SamplingParams.FromString(zero.SerializeToString()).HasField("temperature")


def test_a_seed_has_64_bits() -> None:
    for seed, bits in ((0, 0), ((1 << 64) - 1, (1 << 64) - 1), (-1, (1 << 64) - 1)):
        assert _codec.sampling_params(types.SamplingParams(seed=seed)).seed == bits
    for seed in (1 << 64, -(1 << 63) - 1):
        with pytest.raises(InvalidArgumentError, match="64 bits") as caught:
            _codec.sampling_params(types.SamplingParams(seed=seed))
        assert caught.value.field == "sampling_params.seed"


@pytest.mark.parametrize(
    ("package", "user", "use"),
    [
        ("transformers", "get_tokenizer", lambda: load_tokenizer("a base", "none/such")),
        ("torch", "to_torch", lambda: types.TensorData([1.0], "float32").to_torch()),
        (
            "torch",
            "forward_backward_custom",
            lambda: CustomPass([], lambda data, logprobs: (logprobs[0], {})),
        ),
    ],
)
def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, package: str, user: str, use: Callable[[], object]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"^{user} needs {package}.*pip install {package}$"):
        use()


def test_calls_are_split_by_count_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    datum = types.Datum(types.ModelInput.from_ints([1] * 10), {"weights": [1.0] * 10})
    assert datum.byte_count == 80
    assert [len(p) for p in split([datum] * 2500)] == [1024, 1024, 452]
    monkeypatch.setattr("tinsmith._combine.MAX_BYTES", 200)
    assert [len(p) for p in split([datum] * 5)] == [2, 2, 1]
    assert split([]) == []


def test_metrics_are_combined_by_their_suffix() -> None:
    def part(count: int, value: float) -> types.ForwardBackwardOutput:
        names = ("sum", "mean", "min", "max", "slack", "unique", "hash2", "other")
        return types.ForwardBackwardOutput([{}] * count, {f"x:{n}": value for n in names})

    both = combine([part(1, 2.0), part(3, 6.0)])
    assert len(both.loss_fn_outputs) == 4
    assert both.metrics == {
        "x:sum": 8.0,
        "x:mean": 5.0,
        "x:min": 2.0,
        "x:max": 6.0,
        "x:slack": 1.0,
        "x:unique": 2.0,
        "x:unique_1": 6.0,
        "x:hash2": 8.0,
    }
    lacking = combine([part(1, 2.0), types.ForwardBackwardOutput([{}], {"x:sum": 1.0})])
    assert lacking.metrics == {"x:sum": 3.0}


def test_checkpoint_paths() -> None:
    parse = types.ParsedCheckpointTinkerPath.from_tinker_path
    parsed = parse("tinsmith://s:train:0/weights/a")
    assert (parsed.training_run_id, parsed.checkpoint_type) == ("s:train:0", "training")
    assert parsed.checkpoint_id == "weights/a"
    for wrong in ("tinker://s/weights/a", "tinsmith://s/weights", "tinsmith://s/other/a"):
        with pytest.raises(ValueError):
            parse(wrong)


def test_absent_ttl_is_absent() -> None:
    assert not training_pb2.SaveStateRequest(name="a", ttl_seconds=None).HasField("ttl_seconds")
