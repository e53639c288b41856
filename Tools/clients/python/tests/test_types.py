"""Values, without a service."""

import dataclasses
import sys
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import pytest
import torch

from tinsmith import _codec, types
from tinsmith._combine import combine, split
from tinsmith._rpc.call import Answer
from tinsmith.custom_loss import CustomLossFn, CustomPass
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
            "clip_low_threshold": [0.5, 1],
            "clip_high_threshold": [2, 2],
            "sequence_ratio_mask": [True, False],
        },
    )
    assert {n: t.dtype for n, t in datum.loss_fn_inputs.items()} == {
        "target_tokens": "int64",
        "weights": "float32",
        "advantages": "float32",
        "logprobs": "float32",
        "clip_low_threshold": "float32",
        "clip_high_threshold": "float32",
        "sequence_ratio_mask": "float32",
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
        {"data": [1.0], "dtype": "float32", "shape": [1.5]},
        {"data": [9.5], "dtype": "int64"},
        {"data": np.array([9.0]), "dtype": "int64"},
        {"data": [1 << 63], "dtype": "int64"},
        {"data": np.array([1 << 40]), "dtype": "int32"},
        {"data": [None], "dtype": "float32"},
        {"data": ["1"], "dtype": "float32"},
        {"data": [[1], [1, 2]], "dtype": "float32"},
    ],
)
def test_impossible_tensors_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        types.TensorData(**arguments)  # type: ignore[arg-type]
    assert caught.value.field in arguments


def test_cells_that_are_not_stored_are_the_padding() -> None:
    dense = torch.full((40, 40), -1)
    dense[3, 7] = 5
    tensor = types.TensorData.from_torch_sparse(dense, -1)
    assert tensor.is_sparse and torch.equal(tensor.to_torch(-1), dense)
    assert tensor.tolist(-1) == tensor.to_numpy(-1).tolist() == dense.tolist()
    assert types.TensorData([1], "int64").tolist(-1) == [1]
    with pytest.raises(InvalidArgumentError, match="pad_value"):
        tensor.to_numpy(0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [[9.7], [9.0], np.array([9.0]), torch.tensor([9.0])])
def test_floats_are_no_targets(tokens: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        types.Datum(types.ModelInput.from_ints([1]), {"target_tokens": tokens})
    assert caught.value.field == "loss_fn_inputs[target_tokens]"


def test_a_sparse_torch_tensor_is_refused_in_words() -> None:
    with pytest.raises(InvalidArgumentError, match="to_dense") as caught:
        types.Datum(types.ModelInput.from_ints([1]), {"weights": torch.eye(2).to_sparse()})
    assert caught.value.field == "loss_fn_inputs[weights]"


def test_none_is_no_number() -> None:
    for kind, at, optional in (
        (types.AdamParams, "adam", ()),
        (types.SamplingParams, "sampling_params", ("max_tokens", "seed", "stop")),
        (types.LoraConfig, "lora", ("seed", "alpha")),
    ):
        given = {"rank": 4} if kind is types.LoraConfig else {}
        for field in dataclasses.fields(kind):
            arguments = {**given, field.name: None}
            if field.name in optional:
                assert getattr(kind(**arguments), field.name) is None
                continue
            with pytest.raises(InvalidArgumentError) as caught:
                kind(**arguments)
            assert caught.value.field == f"{at}.{field.name}"


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    for seed in (np.int64(5), torch.tensor(5)):
        params = types.SamplingParams(seed=seed, temperature=np.float32(0.5), top_k=np.int32(3))  # type: ignore[arg-type]
        message = _codec.sampling_params(params)
        assert (message.seed, message.temperature, message.top_k) == (5, 0.5, 3)
        assert params == types.SamplingParams(seed=5, temperature=0.5, top_k=3)
    rate = torch.tensor(0.25, requires_grad=True)
    assert types.AdamParams(learning_rate=rate).learning_rate == 0.25  # type: ignore[arg-type]
    wrong: object
    for wrong in (5.0, "5", [5], np.array([5, 6])):
        with pytest.raises(InvalidArgumentError) as caught:
            types.SamplingParams(seed=wrong)  # type: ignore[arg-type]
        assert caught.value.field == "sampling_params.seed"


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
    for wrong in (["a", 5], [-1], [1 << 31], [1 << 70], [0.5], [[5]], 5, b"ab", [None]):
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


def weighted(loss_fn: CustomLossFn, shape: list[int]) -> tuple[types.Datum, dict[str, float]]:
    """What the service gets for a custom loss of log-probs -1, and its metrics."""
    targets = types.TensorData(np.arange(np.prod(shape)), "int64", shape)
    datum = types.Datum(types.ModelInput.from_ints([1] * shape[0]), {"target_tokens": targets})
    custom = CustomPass([datum], loss_fn)
    (forward,) = custom.forward_data
    assert forward.loss_fn_inputs["weights"].shape == shape
    message, attachments = encode(types.TensorData(-np.ones(shape), "float32"))
    logprobs = _codec.Reader(attachments).tensor(message)
    sent: list[types.Datum] = []

    def finish(data: list[types.Datum] | None) -> Future[types.ForwardBackwardOutput]:
        sent.extend(data or ())
        done: Future[types.ForwardBackwardOutput] = Future()
        done.set_result(types.ForwardBackwardOutput("ArrayRecord", [{}], {"loss:sum": 0.0}))
        return done

    answer: Future[types.ForwardBackwardOutput] = Future()
    answer.set_result(
        types.ForwardBackwardOutput("ArrayRecord", [{"logprobs": logprobs}], {"loss:sum": 0.0})
    )
    output = custom.run(answer, finish).result(60)
    return sent[0], output.metrics


def test_parameters_of_the_callers_own_learn_from_a_custom_loss() -> None:
    scale = torch.nn.Parameter(torch.tensor(0.5))

    def loss(
        data: list[types.Datum], logprobs: list[torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, float]]:
        return -(scale * logprobs[0]).sum(), {}

    for number in (1, 2):
        datum, _ = weighted(loss, [3])
        assert datum.loss_fn_inputs["weights"].tolist() == [0.5] * 3
        assert scale.grad is not None and scale.grad.item() == 3 * number
    with pytest.raises(InvalidArgumentError, match="depends on the log-probs"):
        weighted(lambda data, logprobs: (scale * 2, {}), [3])


def test_a_custom_loss_cannot_change_what_is_sent() -> None:
    def loss(
        data: list[types.Datum], logprobs: list[torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, float]]:
        data[0].loss_fn_inputs["target_tokens"].to_torch().clamp_(max=0)
        return -logprobs[0].sum(), {}

    assert weighted(loss, [3])[0].loss_fn_inputs["target_tokens"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("shape", [[3], [3, 1], [3, 2]])
def test_a_custom_loss_keeps_the_shape_of_its_targets(shape: list[int]) -> None:
    def loss(
        data: list[types.Datum], logprobs: list[torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, float]]:
        assert list(logprobs[0].shape) == shape
        return logprobs[0].square().sum(), {}

    datum, _ = weighted(loss, shape)
    weights = datum.loss_fn_inputs["weights"]
    assert weights.shape == shape and set(weights.data) == {2.0}


@pytest.mark.filterwarnings("error")
def test_metrics_may_have_gradients() -> None:
    _, metrics = weighted(
        lambda data, logprobs: (logprobs[0].sum(), {"m": logprobs[0].mean()}), [3]
    )
    assert metrics["m"] == -1.0
    with pytest.raises(InvalidArgumentError, match=r"metrics\[m\]"):
        weighted(lambda data, logprobs: (logprobs[0].sum(), {"m": logprobs[0]}), [3])


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
        return types.ForwardBackwardOutput(
            "ArrayRecord", [{}] * count, {f"x:{n}": value for n in names}
        )

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
    lacking = combine(
        [part(1, 2.0), types.ForwardBackwardOutput("ArrayRecord", [{}], {"x:sum": 1.0})]
    )
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
