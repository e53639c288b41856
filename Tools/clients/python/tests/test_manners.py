"""The manners of the tinker SDK: copies at the boundary, names, addresses."""

from __future__ import annotations

import asyncio
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BASE, Examples, Service

import tinsmith
from tinsmith import types

ADAM = types.AdamParams(learning_rate=1e-2)
PROMPT = [4088, 4094, 10, 301]
DRAW = types.SamplingParams(max_tokens=6, seed=5, stop=[])


# Copies at the boundary.


@pytest.mark.parametrize("make", [list, np.array, torch.tensor])
def test_values_keep_nothing_of_the_caller(make: Callable[[list[int]], Any]) -> None:
    tokens, targets, weights = make([1, 2, 3]), make([2, 3, 4]), np.ones(3, np.float32)
    tensor = types.TensorData(weights, "float32")
    model_input = types.ModelInput.from_ints(tokens)
    datum = types.Datum(model_input, {"target_tokens": targets, "weights": tensor})
    stop, chunks = [7], [types.EncodedTextChunk(tokens)]
    params, chunked = types.SamplingParams(stop=stop), types.ModelInput(list(chunks))
    starts, columns = [0, 1, 1, 1], [2]
    sparse = types.TensorData([5.0], "float32", [3, 4], starts, columns)
    tokens[0] = targets[0] = 99
    weights[0] = columns[0] = 0
    stop.append(8)
    chunks.clear()
    assert datum.model_input.to_ints() == [1, 2, 3] and chunked.to_ints() == [1, 2, 3]
    assert datum.loss_fn_inputs["target_tokens"].tolist() == [2, 3, 4]
    assert datum.loss_fn_inputs["weights"].tolist() == [1, 1, 1]
    assert params.stop == [7] and sparse.to_numpy()[0, 2] == 5


def weighted(
    data: list[types.Datum], logprobs: list[torch.Tensor]
) -> tuple[torch.Tensor, dict[str, float]]:
    weights = [datum.loss_fn_inputs["weights"].to_torch() for datum in data]
    parts = [(w * p).sum() for w, p in zip(weights, logprobs, strict=True)]
    return -torch.stack(parts).sum(), {}


def test_a_custom_loss_sees_the_inputs_of_the_call(client: tinsmith.ServiceClient) -> None:
    def train(spoil: bool) -> list[tuple[str, dict[str, float]]]:
        model = client.create_lora_training_client(BASE, rank=4, seed=7)
        results = []
        for number in range(3):
            tokens = [*PROMPT, 70 + number]
            datum = types.Datum(
                types.ModelInput.from_ints(tokens[:-1]),
                {"target_tokens": tokens[1:], "weights": [0.0, 0.0, 0.0, 1.0]},
            )
            data = [datum]
            passed = model.forward_backward_custom(data, weighted)
            if spoil:
                # Everything that can be reached, right after the call.
                chunk = datum.model_input.chunks[0]
                assert isinstance(chunk, types.EncodedTextChunk)
                chunk.tokens[:] = [1, 1, 1, 1]  # type: ignore[index]
                datum.loss_fn_inputs["weights"].to_numpy()[:] = 0
                datum.loss_fn_inputs["target_tokens"].to_numpy()[:] = 1
                datum.model_input.chunks.clear()
                datum.loss_fn_inputs.clear()
                data.clear()
            step = model.optim_step(ADAM)
            results.append((passed.result(60).loss.hex(), step.result(60).metrics))
        return results

    assert train(spoil=True) == train(spoil=False)


def test_calls_see_the_inputs_of_the_call(
    client: tinsmith.ServiceClient, training: tinsmith.TrainingClient, examples: Examples
) -> None:
    expected = training.forward(examples(0), "cross_entropy").result(60).loss
    data = examples(0)
    passed = training.forward(data, "cross_entropy")
    data[0].model_input.chunks.clear()
    data[0].loss_fn_inputs["weights"].to_numpy()[:] = 0
    assert passed.result(60).loss == expected
    sampler = client.create_sampling_client(base_model=BASE)
    tokens = list(PROMPT)
    first = sampler.sample(types.ModelInput.from_ints(tokens), 1, DRAW)
    tokens.clear()
    again = sampler.sample(types.ModelInput.from_ints(PROMPT), 1, DRAW)
    assert first.result(60).sequences[0].tokens == again.result(60).sequences[0].tokens


# Names and forms.


def test_copies_and_dumps() -> None:
    params = types.SamplingParams(max_tokens=3, stop=["x"])
    assert params.model_copy(update={"temperature": 0.5}) == types.SamplingParams(
        max_tokens=3, stop=["x"], temperature=0.5
    )
    dumped = params.model_dump(exclude_none=True)
    assert dumped == {
        "max_tokens": 3,
        "stop": ["x"],
        "temperature": 1.0,
        "top_k": -1,
        "top_p": 1.0,
    }
    image = types.ImageChunk(data=b"abc", format="png", expected_tokens=4)
    value = types.ModelInput.from_ints(np.array([1, 2])).append(image)
    assert value.model_dump() == {
        "chunks": [
            {"tokens": [1, 2], "type": "encoded_text"},
            {"data": "YWJj", "format": "png", "expected_tokens": 4, "type": "image"},
        ]
    }
    assert types.ImageChunk(**value.model_dump()["chunks"][1]) == image
    assert value.length == 6
    json.dumps(value.model_dump(mode="json"))
    datum = types.Datum(types.ModelInput.from_ints([1]), {"target_tokens": [2]})
    assert datum.model_dump()["loss_fn_inputs"]["target_tokens"]["data"] == [2]
    deep = datum.model_copy(deep=True)
    deep.model_input.chunks.clear()
    assert datum.model_input.length == 1


def test_images_are_refused_in_words(
    client: tinsmith.ServiceClient, training: tinsmith.TrainingClient
) -> None:
    for image in (
        types.ImageChunk(data=b"abc", format="png"),
        types.ImageAssetPointerChunk(format="png", location="x", expected_tokens=2),
    ):
        value = types.ModelInput.from_ints([1]).append(image)
        datum = types.Datum(value, {"target_tokens": [2], "weights": [1.0]})
        with pytest.raises(tinsmith.UnimplementedError, match="read text only") as raised:
            training.forward_backward([datum], "cross_entropy")
        assert raised.value.field == "data[0].chunks[1]"
        with pytest.raises(tinsmith.UnimplementedError, match=type(image).__name__):
            client.create_sampling_client(base_model=BASE).sample(value, 1, DRAW)
        with pytest.raises(ValueError, match="no text"):
            value.to_ints()


def test_a_loss_without_metrics_gets_a_sentence(
    training: tinsmith.TrainingClient, examples: Examples
) -> None:
    wrong_losses: list[tuple[Any, str]] = [
        (lambda data, logprobs: logprobs[0].sum(), "returns a pair"),
        (lambda data, logprobs: (3.0, {}), "one number as a torch tensor"),
        (lambda data, logprobs: (logprobs[0], {}), "one number as a torch tensor"),
    ]
    for wrong, words in wrong_losses:
        passed = training.forward_backward_custom(examples(0), wrong)
        with pytest.raises(tinsmith.InvalidArgumentError, match=words):
            passed.result(60)
        with pytest.raises(tinsmith.FailedPreconditionError):
            training.optim_step(ADAM).result(60)


def test_a_step_may_apply_what_is_left(
    training: tinsmith.TrainingClient, examples: Examples
) -> None:
    good = training.forward_backward(examples(0), "cross_entropy")
    bad = training.forward_backward(examples(1), "no_such_loss")  # type: ignore[arg-type]
    step = training.optim_step(ADAM, apply_partial=True)
    with pytest.raises(tinsmith.TinsmithError):
        bad.result(60)
    assert good.result(60).loss > 0
    assert step.result(60).metrics["unclipped_grad_l2:mean"] > 0
    assert training.fetch_info().result(60).step == 1


def test_log_probs_of_the_last_tokens(client: tinsmith.ServiceClient) -> None:
    sampler = client.create_sampling_client(base_model=BASE)
    prompt = types.ModelInput.from_ints(PROMPT)
    every = sampler.compute_logprobs(prompt).result(60)
    assert sampler.compute_logprobs(prompt, 2).result(60) == [None, None, *every[2:]]
    assert sampler.compute_logprobs(prompt, prompt_logprobs_last_n=3).result(60) == every
    for wrong in (0, 4, -1):
        with pytest.raises(tinsmith.InvalidArgumentError, match="between 1"):
            sampler.compute_logprobs(prompt, wrong)
        with pytest.raises(tinsmith.InvalidArgumentError, match="between 1"):
            sampler.sample(
                prompt, 1, DRAW, include_prompt_logprobs=True, prompt_logprobs_last_n=wrong
            )
    answer = sampler.sample(
        prompt, 1, DRAW, True, topk_prompt_logprobs=1, prompt_logprobs_last_n=1
    ).result(60)
    assert answer.prompt_logprobs == [None, None, None, every[3]]
    assert answer.topk_prompt_logprobs is not None
    assert answer.topk_prompt_logprobs[:3] == [None] * 3
    with pytest.raises(tinsmith.InvalidArgumentError, match="include_prompt_logprobs"):
        sampler.sample(prompt, 1, DRAW, prompt_logprobs_last_n=1)


def test_log_probs_are_those_at_the_temperature(client: tinsmith.ServiceClient) -> None:
    sampler = client.create_sampling_client(base_model=BASE)
    prompt = types.ModelInput.from_ints(PROMPT)
    params = types.SamplingParams(max_tokens=6, seed=3, temperature=0.5, stop=[])
    answer = sampler.sample(
        prompt, 2, params, topk_sample_logprobs=4, include_model_logprobs=True
    ).result(60)
    for sequence in answer.sequences:
        text = types.ModelInput.from_ints([*PROMPT, *sequence.tokens])
        whole = sampler.compute_logprobs(text).result(60)
        assert sequence.model_logprobs == whole[len(PROMPT) :]
        assert sequence.model_logprobs != sequence.logprobs
        scored = sampler.sample(text, 1, DRAW, topk_prompt_logprobs=4).result(60)
        assert sequence.topk_logprobs is not None and scored.topk_prompt_logprobs is not None
        own_rows = scored.topk_prompt_logprobs[len(PROMPT) :]
        for ours, own in zip(sequence.topk_logprobs, own_rows, strict=True):
            assert ours is not None and own is not None
            assert [token for token, _ in ours] == [token for token, _ in own]
            # Differences between tokens scale with 1 / T.
            for (_, p), (_, q) in zip(ours, own, strict=True):
                assert p - ours[0][1] == pytest.approx((q - own[0][1]) / 0.5, abs=1e-4)
    plain = sampler.sample(prompt, 1, DRAW).result(60).sequences[0]
    assert plain.model_logprobs is None


def test_tokens_in_place_of_the_prompts(client: tinsmith.ServiceClient) -> None:
    sampler = client.create_sampling_client(base_model=BASE)
    prompt = types.ModelInput.from_ints(PROMPT)
    every = sampler.compute_logprobs(prompt).result(60)

    def score(targets: types.TensorData | list[list[int]]) -> types.TensorData:
        answer = sampler.sample(prompt, 1, DRAW, target_prompt_logprobs=targets).result(60)
        assert answer.target_prompt_logprobs is not None
        return answer.target_prompt_logprobs

    other = sampler.compute_logprobs(types.ModelInput.from_ints([*PROMPT[:-1], 7])).result(60)
    expected = [[every[1], 0], [0, 0], [every[3], other[3]]]
    dense = types.TensorData([[PROMPT[1], -1], [-1, -1], [PROMPT[3], 7]], "int64")
    assert score(dense).tolist() == expected
    assert score([[PROMPT[1]], [], [PROMPT[3], 7]]).tolist() == expected
    sparse = types.TensorData([PROMPT[1], PROMPT[3], 7], "int64", [3, 2], [0, 1, 1, 3], [0, 0, 1])
    answer = score(sparse)
    assert (
        answer.is_sparse
        and answer.dtype == "float32"
        and answer.data
        == [
            every[1],
            every[3],
            other[3],
        ]
    )
    assert answer.tolist() == expected
    for wrong in (types.TensorData([1.0], "float32"), types.TensorData([1, 2, 3], "int64")):
        with pytest.raises(tinsmith.InvalidArgumentError, match="target_prompt_logprobs"):
            sampler.sample(prompt, 1, DRAW, target_prompt_logprobs=wrong)
    for refused in ([[1]], [[-1], [-1], [-1]], [[1], [2], [1 << 30]]):
        with pytest.raises(tinsmith.InvalidArgumentError, match="target_prompt_logprobs"):
            score(refused)


def test_what_the_service_does_not_do_is_refused_in_words(client: tinsmith.ServiceClient) -> None:
    sampler = client.create_sampling_client(base_model=BASE)
    prompt = types.ModelInput.from_ints(PROMPT)
    with pytest.raises(tinsmith.UnimplementedError, match="draws no alternatives"):
        sampler.sample(prompt, 1, DRAW, prompt_alt_tokens_k=2)


def test_weights_may_be_named_with_their_base_model(
    client: tinsmith.ServiceClient, training: tinsmith.TrainingClient
) -> None:
    path = training.save_weights_for_sampler("both").result(60).path
    assert client.create_sampling_client(path, BASE).result(60).model_path == path
    with pytest.raises(tinsmith.InvalidArgumentError, match=f"of {BASE}, not of other"):
        client.create_sampling_client(path, "other").result(60)
    with pytest.raises(tinsmith.InvalidArgumentError, match="model_path or a base_model"):
        client.create_sampling_client()


def test_the_base_model_of_a_state_is_checked(
    client: tinsmith.ServiceClient, training: tinsmith.TrainingClient
) -> None:
    path = training.save_state("of-a-base").result(60).path
    made = {"a": "b"}
    again = client.create_training_client_from_state(path, BASE, made).result(60)
    assert again.get_info().user_metadata == made
    for create in (
        client.create_training_client_from_state,
        client.create_training_client_from_state_with_optimizer,
    ):
        with pytest.raises(tinsmith.InvalidArgumentError, match=BASE) as caught:
            create(path, base_model="other").result(60)
        assert caught.value.field == "base_model"


def test_what_means_nothing_here_is_taken_or_refused_in_words(
    client: tinsmith.ServiceClient, training: tinsmith.TrainingClient
) -> None:
    hints = {"retry_config": object(), "record_stability_info": True}
    adam = types.AdamOptimizerConfig()
    model = client.create_lora_training_client(BASE, rank=2, optimizer=adam).result(60)
    path = model.save_weights_for_sampler("hints").result(60).path
    for create in (
        lambda: client.create_sampling_client(base_model=BASE, **hints),
        lambda: model.create_sampling_client(path, **hints),
        lambda: model.save_weights_and_get_sampling_client(kind="snapshot", **hints),
    ):
        create().result(60)
    state = "tinsmith://s:train:0/weights/a"
    rest = client.create_rest_client()
    refusals: list[tuple[str, Callable[..., Any], tuple[object, ...]]] = [
        ("optimizer", client.create_lora_training_client, (BASE,)),
        ("optimizer", client.create_training_client_from_state, (state,)),
        ("weights_access_token", client.create_training_client_from_state, (state,)),
        ("weights_access_token", training.load_state_with_optimizer, (state,)),
        ("kind", training.save_weights_and_get_sampling_client, ()),
        ("loss_type_input", training.forward_backward_custom, ([], weighted)),
        ("default_headers_overrides", tinsmith.ServiceClient, ()),
        ("project_id", rest.list_training_runs, ()),
        ("base_url", tinsmith.RestClient, (client._session,)),
        ("model_input_spans", types.Datum, (types.ModelInput.from_ints([1]),)),
    ]
    for field, call, arguments in refusals:
        other = {"x": "y"} if field.startswith("default") else "other"
        with pytest.raises(tinsmith.InvalidArgumentError) as caught:
            call(*arguments, **{field: other})
        assert caught.value.field == field


def test_a_rest_client_needs_nothing_else(service: Service) -> None:
    rest = tinsmith.RestClient(base_url=service.endpoint)
    assert rest.get_server_capabilities().result(60).supported_models
    assert isinstance(rest.list_user_checkpoints().result(60).checkpoints, list)
    assert tinsmith.RestClient(base_url=service.endpoint)._session is rest._session


def test_what_is_of_another_kind_is_refused_by_its_field(
    client: tinsmith.ServiceClient, training: tinsmith.TrainingClient, examples: Examples
) -> None:
    sampler = client.create_sampling_client(base_model=BASE)
    rest = client.create_rest_client()
    prompt = types.ModelInput.from_ints(PROMPT)
    data = examples(0)
    state = "tinsmith://s:train:0/weights/a"
    make: Any = client.create_lora_training_client
    refusals: list[tuple[str, Callable[[], object]]] = [
        ("lora.rank", lambda: make(BASE, rank=None)),
        ("lora.rank", lambda: make(BASE, rank=2.0)),
        ("lora.train_mlp", lambda: make(BASE, train_mlp=None)),
        ("lora.seed", lambda: make(BASE, seed=1.5)),
        ("lora.alpha", lambda: make(BASE, alpha="32")),
        ("base_model", lambda: make(None)),
        ("user_metadata[a]", lambda: make(BASE, user_metadata={"a": 1})),
        ("tags", lambda: tinsmith.ServiceClient(tags="abc")),
        ("patience", lambda: tinsmith.ServiceClient(patience=-1)),
        ("ttl_seconds", lambda: training.save_state("a", ttl_seconds=-1)),
        ("ttl_seconds", lambda: rest.set_checkpoint_ttl_from_tinker_path(state, -1)),
        ("keep_last", lambda: training.save_state("a", keep_last="2")),  # type: ignore[arg-type]
        ("name", lambda: training.save_state(None)),  # type: ignore[arg-type]
        ("path", lambda: training.load_state(5)),  # type: ignore[arg-type]
        ("optim_params", lambda: training.optim_step({"learning_rate": 1})),  # type: ignore[arg-type]
        ("adam_params", lambda: training.optim_step(ADAM, adam_params=ADAM)),
        ("data", lambda: training.forward(5, "cross_entropy")),  # type: ignore[arg-type]
        ("data[0]", lambda: training.forward([5], "cross_entropy")),  # type: ignore[list-item]
        ("loss_fn", lambda: training.forward(data, None)),  # type: ignore[arg-type]
        ("loss_fn", lambda: training.forward_backward_custom(data, None)),  # type: ignore[arg-type]
        ("loss_fn_config[beta]", lambda: training.forward(data, "dro", {"beta": None})),  # type: ignore[dict-item]
        ("prompt", lambda: sampler.sample(PROMPT, 1, DRAW)),  # type: ignore[arg-type]
        ("num_samples", lambda: sampler.sample(prompt, 1.5, DRAW)),  # type: ignore[arg-type]
        ("sampling_params", lambda: sampler.sample(prompt, 1, None)),  # type: ignore[arg-type]
        ("topk_prompt_logprobs", lambda: sampler.sample(prompt, 1, DRAW, False, -1)),
        (
            "target_prompt_logprobs[0]",
            lambda: sampler.sample(prompt, 1, DRAW, target_prompt_logprobs=[[1.5]]),  # type: ignore[list-item]
        ),
        ("tinker_path", lambda: rest.get_checkpoint(None)),  # type: ignore[arg-type]
        ("limit", lambda: rest.list_sessions(limit="1")),  # type: ignore[arg-type]
        ("payload", lambda: rest.ping("abc")),  # type: ignore[arg-type]
        ("folder", lambda: rest.import_checkpoint(5, BASE)),  # type: ignore[arg-type]
        ("tokens", lambda: types.ModelInput.from_ints(5)),  # type: ignore[arg-type]
        ("chunks[0]", lambda: types.ModelInput([5])),  # type: ignore[list-item]
        ("model_input", lambda: types.Datum([5], {})),  # type: ignore[arg-type]
        ("loss_fn_inputs[weights]", lambda: types.Datum(prompt, {"weights": None})),
    ]
    for field, call in refusals:
        with pytest.raises(tinsmith.InvalidArgumentError) as caught:
            call()
        assert caught.value.field == field
    # Nothing was sent: the model goes on, and numpy's numbers are numbers.
    training.optim_step(ADAM).result(60)
    assert make(BASE, rank=np.int64(2), seed=np.int64(3)).result(60)


def test_training_runs_and_their_checkpoints(client: tinsmith.ServiceClient) -> None:
    made = {"renderer": "qwen3"}
    model = client.create_lora_training_client(BASE, rank=4, user_metadata=made)
    rest = client.create_rest_client()
    bare = rest.get_training_run(model.model_id).result(60)
    assert bare.training_run_id == model.model_id and bare.lora_rank == 4
    assert bare.user_metadata == made and bare.base_model == BASE
    assert bare.last_checkpoint is None and bare.last_sampler_checkpoint is None
    state = model.save_state("one").result(60).path
    note = {"renderer": "chatml"}
    sampler = model.save_weights_for_sampler("two", user_metadata=note).result(60).path
    listed = rest.list_training_runs(limit=1).result(60)
    assert listed.cursor.limit == 1 and listed.cursor.total_count >= 1
    for run in (
        rest.get_training_run(model.model_id).result(60),
        rest.get_training_run_by_tinker_path(sampler).result(60),
        listed.training_runs[0],
    ):
        assert run.training_run_id == model.model_id and run.user_metadata == made
        assert run.last_checkpoint is not None and run.last_checkpoint.tinker_path == state
        assert run.last_sampler_checkpoint is not None
        assert run.last_sampler_checkpoint.tinker_path == sampler
        assert run.last_sampler_checkpoint.user_metadata == note
        assert run.last_request_time >= bare.last_request_time
    for unknown in ("no-such:train:0", "../x"):
        with pytest.raises(tinsmith.TinsmithError) as caught:
            rest.get_training_run(unknown).result(60)
        assert caught.value.field == "model_id"


def test_sessions_and_samplers_while_they_live(service: Service) -> None:
    def user(key: str) -> tinsmith.ServiceClient:
        return tinsmith.ServiceClient(
            {"who": key},
            display_name=f"{key}'s",
            base_url=service.endpoint,
            api_key=key,
            tags=["t"],
        )

    with user("sessions-ann") as ann, user("sessions-bob") as bob:
        rest = ann.create_rest_client()
        sampler = ann.create_sampling_client(base_model=BASE)
        model = ann.create_lora_training_client(BASE, rank=1)
        tuned = model.save_weights_and_get_sampling_client()
        tuned.result(60)
        sampler.result(60)
        (session,) = rest.list_sessions().result(60).sessions
        found = asyncio.run(rest.get_session_async(session))
        assert found.training_run_ids == [model.model_id]
        assert found.sampler_ids == [f"{session}:sample:{n}" for n in range(2)]
        assert found.user_metadata == {"who": "sessions-ann"} and found.tags == ["t"]
        assert found.display_name == "sessions-ann's"
        of_base, of_model = (rest.get_sampler(each).result(60) for each in found.sampler_ids)
        assert (of_base.base_model, of_base.model_path) == (BASE, None)
        assert (of_model.base_model, of_model.model_path) == (BASE, tuned.model_path)
        assert rest.list_sessions(limit=1, offset=1).result(60).sessions == []
        with pytest.raises(tinsmith.InvalidArgumentError, match="limit"):
            rest.list_sessions(limit=0)
        assert rest.list_sessions(access_scope="owned").result(60).sessions == [session]
        assert rest.get_session(session, access_scope="accessible").result(60) == found
        with pytest.raises(tinsmith.InvalidArgumentError, match="access_scope"):
            rest.list_training_runs(access_scope="accessible")
        with pytest.raises(tinsmith.InvalidArgumentError, match="access_scope"):
            rest.get_training_run(model.model_id, access_scope="everybody's")  # type: ignore[arg-type]
        others = bob.create_rest_client()
        assert session not in others.list_sessions().result(60).sessions
        for call in (
            others.get_session(session),
            others.get_sampler(found.sampler_ids[0]),
            others.get_training_run(model.model_id),
        ):
            with pytest.raises(tinsmith.NotFoundError):
                call.result(60)
    with user("sessions-ann") as later:
        with pytest.raises(tinsmith.NotFoundError):
            later.create_rest_client().get_session(session).result(60)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://host:7410", "tcp://host:7410 may be meant"),
        ("https://host:7410/services/prod", "tcp://host:7410 may be meant"),
        ("host:7410", "tcp://host:7410 may be meant"),
        ("[::1]:7410", r"tcp://\[::1\]:7410 may be meant"),
        ("host", "tcp://host:7410, or ipc"),
        ("tcp://host", "tcp://host:7410, or ipc"),
        ("tcp://host:", "tcp://host:7410, or ipc"),
        ("tcp://host:70000", "tcp://host:7410, or ipc"),
        ("tcp://host:0", "tcp://host:7410, or ipc"),
        ("tcp://a b:7410", "tcp://host:7410, or ipc"),
        ("tcp://host:7410 ", "tcp://host:7410, or ipc"),
        ("ipc://", "tcp://host:7410, or ipc"),
    ],
)
def test_addresses_that_are_none(address: str, words: str) -> None:
    with pytest.raises(tinsmith.InvalidArgumentError, match=words) as raised:
        tinsmith.ServiceClient(base_url=address)
    assert raised.value.field == "base_url"


def test_closing_gives_a_future(service: Service) -> None:
    client = tinsmith.ServiceClient(base_url=service.endpoint)
    client.create_rest_client().list_user_checkpoints().result(60)
    for _ in range(2):
        client.close("success", "done").result(60)
    with pytest.raises(tinsmith.UnavailableError):
        client.create_rest_client().ping().result(5)
    with pytest.raises(tinsmith.InvalidArgumentError):
        client.close("well")  # type: ignore[arg-type]


def test_a_program_of_the_sdk_runs_as_it_is(service: Service, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, tinker\n"
        "from tinker import types\n"
        "from tinker.types.tensor_data import TensorData\n"
        "from tinker.lib.public_interfaces import APIFuture\n"
        "from tinker.lib.public_interfaces.rest_client import RestClient\n"
        "with tinker.ServiceClient(base_url=sys.argv[1]) as client:\n"
        "    rest = client.create_rest_client()\n"
        "    print(rest.ping(b'hello').result(), types.ImageChunk.__name__)\n"
    )
    output = subprocess.run(
        [sys.executable, "-m", "tinsmith.as_tinker", str(program), service.endpoint],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert output.stdout == "b'hello' ImageChunk\n", output.stderr
