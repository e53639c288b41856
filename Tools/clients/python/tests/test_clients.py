"""The clients against a service: sync and async, everything that a training loop uses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from conftest import BASE, Examples, Service

import tinsmith
from tinsmith import types

PROMPT = types.ModelInput.from_ints([4088, 4094, 10, 478, 3760])


def test_what_the_service_offers(client: tinsmith.ServiceClient) -> None:
    capabilities = client.get_server_capabilities()
    assert [m.model_name for m in capabilities.supported_models] == [BASE]
    assert "cross_entropy" in capabilities.loss_fns
    rest = client.create_rest_client()
    assert rest.ping(b"abc").result(10) == b"abc"
    assert rest.get_stats().result(10)


def test_a_training_loop(training: tinsmith.TrainingClient, examples: Examples) -> None:
    batch = examples(0)
    losses = []
    for _ in range(8):
        step = training.forward_backward(batch, "cross_entropy")
        optim = training.optim_step(types.AdamParams(learning_rate=2e-3))
        output = step.result(60)
        assert output.loss_fn_outputs[0]["logprobs"].shape == [4]
        losses.append(output.loss)
        assert optim.result(60).metrics["unclipped_grad_l2:mean"] > 0
    assert losses[-1] < 0.2 * losses[0]
    assert training.fetch_info().result(60).step == 8
    assert training.get_info().lora_rank == 4
    # Forward changes nothing.
    once, again = (training.forward(batch, "cross_entropy") for _ in range(2))
    assert once.result(60).loss == again.result(60).loss


def test_pipelined_steps_give_the_bits_of_awaited_ones(
    client: tinsmith.ServiceClient, examples: Examples
) -> None:
    def losses(is_pipelined: bool) -> list[float]:
        training = client.create_lora_training_client(BASE, rank=4, seed=7)
        futures = []
        for number in range(6):
            futures.append(training.forward_backward(examples(number), "cross_entropy"))
            step = training.optim_step(types.AdamParams(learning_rate=1e-3))
            if not is_pipelined:
                step.result(60)
        return [future.result(60).loss for future in futures]

    assert losses(True) == losses(False)


def test_the_async_names(service: Service, examples: Examples) -> None:
    async def loop() -> None:
        with tinsmith.ServiceClient(base_url=service.endpoint) as client:
            training = await client.create_lora_training_client_async(BASE, rank=4, seed=1)
            step = await training.forward_backward_async(examples(0), "cross_entropy")
            optim = await training.optim_step_async(types.AdamParams(learning_rate=1e-3))
            assert (await step).loss > 0
            assert (await optim.result_async(60)).metrics
            sampler = await training.save_weights_and_get_sampling_client_async()
            params = types.SamplingParams(max_tokens=4, seed=1)
            answers = await asyncio.gather(
                *(sampler.sample_async(PROMPT, 1, params) for _ in range(4))
            )
            assert len({tuple(a.sequences[0].tokens) for a in answers}) == 1
            logprobs = await sampler.compute_logprobs_async(PROMPT)
            assert logprobs[0] is None and all(p is not None for p in logprobs[1:])
            assert await sampler.get_base_model_async() == BASE
            tokens = [
                token
                async for piece in sampler.sample_stream(PROMPT, 1, params)
                for token in piece.tokens
            ]
            assert tokens == answers[0].sequences[0].tokens
            assert (await client.get_server_capabilities_async()).supported_models
            await client.ready_async()

    asyncio.run(loop())


def test_clients_are_the_futures_of_themselves(client: tinsmith.ServiceClient) -> None:
    training = client.create_lora_training_client(BASE, rank=2)
    assert training.result(60) is training
    assert training.model_id.endswith(":train:0")
    sampler = client.create_sampling_client(base_model=BASE)
    assert sampler.result(60) is sampler
    assert sampler.get_base_model() == BASE and sampler.model_path is None


def test_sampling(client: tinsmith.ServiceClient) -> None:
    sampler = client.create_sampling_client(base_model=BASE)
    params = types.SamplingParams(max_tokens=6, seed=3, stop=[])
    response = sampler.sample(
        PROMPT,
        2,
        params,
        include_prompt_logprobs=True,
        topk_prompt_logprobs=2,
        topk_sample_logprobs=3,
    ).result(60)
    assert response.seed == 3 and len(response.sequences) == 2
    for sequence in response.sequences:
        assert sequence.stop_reason == "length"
        assert len(sequence.tokens) == len(sequence.logprobs) == 6
        assert sequence.topk_logprobs is not None
        for token, logprob, best in zip(
            sequence.tokens, sequence.logprobs, sequence.topk_logprobs, strict=True
        ):
            assert best is not None and len(best) == 3 and best == sorted(best, key=lambda c: -c[1])
            assert dict(best).get(token, logprob) == logprob
    assert response.prompt_logprobs is not None and response.prompt_logprobs[0] is None
    assert response.topk_prompt_logprobs is not None
    assert len(response.topk_prompt_logprobs) == 5 and response.topk_prompt_logprobs[0] is None
    assert response.prompt_logprobs == sampler.compute_logprobs(PROMPT).result(60)
    ids = {sequence.sequence_id for sequence in response.sequences}
    assert len(ids) == 2


def test_streamed_pieces_make_up_the_answer(client: tinsmith.ServiceClient) -> None:
    sampler = client.create_sampling_client(base_model=BASE)
    params = types.SamplingParams(max_tokens=12, seed=5, stop=[])
    stream = sampler.sample_stream(PROMPT, 3, params)
    tokens: dict[int, list[int]] = {}
    for piece in stream:
        assert len(piece.tokens) == len(piece.logprobs) > 0
        tokens.setdefault(piece.sequence, []).extend(piece.tokens)
    final = stream.response.result(60)
    assert [tokens[i] for i in range(3)] == [s.tokens for s in final.sequences]
    assert (
        final.sequences[0].tokens
        == sampler.sample(PROMPT, 1, params).result(60).sequences[0].tokens
    )


def test_custom_loss_has_the_gradient_of_the_same_built_in_loss(
    client: tinsmith.ServiceClient, examples: Examples
) -> None:
    data = [*examples(0), *examples(1)]

    def cross_entropy(
        data: list[types.Datum], logprobs: list[torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, float]]:
        weights = [datum.loss_fn_inputs["weights"].to_torch() for datum in data]
        loss = -sum((w * p).sum() for w, p in zip(weights, logprobs, strict=True))
        assert isinstance(loss, torch.Tensor)
        return loss, {"mine:mean": 1.0}

    built_in = client.create_lora_training_client(BASE, rank=4, seed=1)
    custom = client.create_lora_training_client(BASE, rank=4, seed=1)
    passes = (
        built_in.forward_backward(data, "cross_entropy"),
        custom.forward_backward_custom(data, cross_entropy),
    )
    steps = (built_in.optim_step(), custom.optim_step())
    # Submitted at once: it waits behind the loss that still runs here.
    expected, output = passes[0].result(60), passes[1].result(60)
    assert output.metrics["mine:mean"] == 1.0
    assert output.metrics["loss:sum"] == pytest.approx(expected.loss, rel=1e-6)
    assert "surrogate_loss:sum" in output.metrics
    norms = [s.result(60).metrics["unclipped_grad_l2:mean"] for s in steps]
    assert norms[1] == norms[0]
    assert (
        custom.forward(data, "cross_entropy").result(60).loss
        == built_in.forward(data, "cross_entropy").result(60).loss
    )


def test_a_custom_loss_that_fails_costs_its_own_step_only(
    training: tinsmith.TrainingClient, examples: Examples
) -> None:
    def broken(
        data: list[types.Datum], logprobs: list[torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, float]]:
        raise RuntimeError("no loss today")

    failed = training.forward_backward_custom(examples(0), broken)
    step = training.optim_step()
    after = training.forward_backward(examples(0), "cross_entropy")
    with pytest.raises(RuntimeError, match="no loss today"):
        failed.result(60)
    with pytest.raises(tinsmith.FailedPreconditionError):
        step.result(60)
    assert after.result(60).loss > 0
    training.optim_step().result(60)


def test_large_calls_are_sent_in_parts(
    training: tinsmith.TrainingClient, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [datum for number in range(5) for datum in examples(number)]
    whole = training.forward(data, "cross_entropy").result(60)
    monkeypatch.setattr("tinsmith._combine.MAX_DATUMS", 2)
    parts = training.forward(data, "cross_entropy").result(60)
    assert len(parts.loss_fn_outputs) == 5
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    for one, other in zip(whole.loss_fn_outputs, parts.loss_fn_outputs, strict=True):
        assert one["logprobs"] == other["logprobs"]


def test_large_tensors_and_sparse_targets(training: tinsmith.TrainingClient) -> None:
    n, k = 400, 60
    tokens = np.arange(n) % 4000
    targets = np.zeros((n, k), np.int64)
    weights = np.zeros((n, k), np.float32)
    targets[:, 0], weights[:, 0] = (tokens + 1) % 4000, 1.0
    inputs = {"target_tokens": targets, "weights": weights}
    sparse = {name: torch.from_numpy(array) for name, array in inputs.items()}
    model_input = types.ModelInput.from_ints(tokens.tolist())
    outputs = [
        training.forward([types.Datum(model_input, i)], "cross_entropy").result(60)
        for i in (inputs, sparse)
    ]
    assert outputs[0].loss == outputs[1].loss
    assert outputs[0].loss_fn_outputs[0]["logprobs"].shape == [n, k]


def test_errors_have_the_class_of_their_code(
    client: tinsmith.ServiceClient, training: tinsmith.TrainingClient, examples: Examples
) -> None:
    with pytest.raises(tinsmith.NotFoundError):
        client.create_lora_training_client("no/such").result(60)
    with pytest.raises(tinsmith.NotFoundError):
        client.create_sampling_client(base_model="no/such").result(60)
    with pytest.raises(tinsmith.NotFoundError):
        client.create_sampling_client(base_model="no/such").sample(
            PROMPT, 1, types.SamplingParams(max_tokens=1)
        ).result(60)
    for wrong in (
        lambda: training.forward_backward([], "cross_entropy"),
        lambda: client.create_lora_training_client(BASE, rank=0),
        lambda: client.create_sampling_client(),
        lambda: training.save_weights_for_sampler(""),
    ):
        with pytest.raises(tinsmith.InvalidArgumentError):
            wrong()
    # The service refuses, names the field, and goes on.
    datum = types.Datum(
        types.ModelInput.from_ints([1, 2]), {"target_tokens": [1, 2, 3], "weights": [1] * 3}
    )
    with pytest.raises(tinsmith.BadRequestError) as caught:
        training.forward([datum], "cross_entropy").result(60)
    assert caught.value.field.startswith("data[0].loss_fn_inputs[target_tokens]")
    assert training.forward(examples(0), "cross_entropy").result(60).loss > 0
    refused = training.forward_backward(examples(0), "no_such_loss")  # type: ignore[arg-type]
    with pytest.raises(tinsmith.TinsmithError):
        refused.result(60)
    with pytest.raises(tinsmith.FailedPreconditionError):
        training.optim_step().result(60)


def test_every_call_of_a_model_that_was_not_made_says_why(
    client: tinsmith.ServiceClient, examples: Examples
) -> None:
    def loss(data: object, logprobs: list[torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        return logprobs[0].sum(), {}

    params = types.SamplingParams(max_tokens=1)

    def check(model: tinsmith.TrainingClient) -> None:
        sampler = model.save_weights_and_get_sampling_client()
        calls: list[Callable[[], object]] = [
            lambda: model.forward(examples(0), "cross_entropy").result(60),
            lambda: model.forward_backward(examples(0), "cross_entropy").result(60),
            lambda: model.forward_backward_custom(examples(0), loss).result(60),
            lambda: model.optim_step().result(60),
            lambda: model.save_state("x").result(60),
            lambda: model.load_state("tinsmith://a/weights/b").result(60),
            lambda: model.fetch_info().result(60),
            lambda: model.get_info(),
            lambda: model.get_tokenizer(),
            lambda: model.get_resume_handle(),
            lambda: model.unload().result(60),
            lambda: sampler.sample(PROMPT, 1, params).result(60),
            lambda: list(sampler.sample_stream(PROMPT, 1, params)),
            lambda: sampler.compute_logprobs(PROMPT).result(60),
            lambda: sampler.model_path,
            lambda: asyncio.run(async_pass(model)),
            lambda: asyncio.run(sampler.sample_async(PROMPT, 1, params)),
        ]
        for call in calls:
            with pytest.raises(tinsmith.NotFoundError, match='"no/such" is not served') as caught:
                call()
            assert caught.value.field == "base_model"

    async def async_pass(model: tinsmith.TrainingClient) -> None:
        await (await model.forward_backward_async(examples(0), "cross_entropy"))

    check(client.create_lora_training_client("no/such"))
    known = client.create_lora_training_client("no/such")
    with pytest.raises(tinsmith.NotFoundError):
        known.result(60)
    check(known)


def test_futures(training: tinsmith.TrainingClient, examples: Examples) -> None:
    future = training.forward(examples(0), "cross_entropy")
    plain = future.future()
    assert isinstance(plain, Future)
    assert plain.result(60).loss == future.result(60).loss == future.result(60).loss
    assert future.done()
    slow = [training.forward_backward(examples(n) * 200, "cross_entropy") for n in range(3)]
    with pytest.raises(TimeoutError):
        slow[2].result(0.001)
    assert slow[2].result(120).loss > 0  # It can be waited for again.

    async def give_up() -> None:
        waiting = training.forward(examples(0) * 500, "cross_entropy")
        with pytest.raises(TimeoutError):
            await waiting.result_async(0.001)
        assert (await waiting).loss > 0

    asyncio.run(give_up())


def test_cancelling_a_sample(client: tinsmith.ServiceClient) -> None:
    sampler = client.create_sampling_client(base_model=BASE).result(60)
    long = types.SamplingParams(max_tokens=4000, stop=[])
    future = sampler.sample(PROMPT, 4, long)
    time.sleep(0.3)
    future.cancel()
    with pytest.raises(tinsmith.RequestCancelledError):
        future.result(30)

    async def cancel_the_task() -> tinsmith.APIFuture[types.SampleResponse]:
        future = sampler.sample(PROMPT, 4, long)
        task = asyncio.ensure_future(future.result_async())
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return future

    with pytest.raises(tinsmith.RequestCancelledError):
        asyncio.run(cancel_the_task()).result(30)


def test_a_timeout_of_the_client(service: Service, examples: Examples) -> None:
    with tinsmith.ServiceClient(base_url=service.endpoint, timeout=0.2) as client:
        sampler = client.create_sampling_client(base_model=BASE).result(60)
        future = sampler.sample(PROMPT, 4, types.SamplingParams(max_tokens=4000, stop=[]))
        with pytest.raises(tinsmith.DeadlineExceededError):
            future.result(30)


def test_bytes_under_way_are_bounded(service: Service, examples: Examples) -> None:
    with tinsmith.ServiceClient(base_url=service.endpoint, max_inflight_bytes=20_000) as client:
        training = client.create_lora_training_client(BASE, rank=2).result(60)
        channel = training._session.channel
        most = 0
        futures = []
        for number in range(40):
            futures.append(training.forward(examples(number) * 20, "cross_entropy"))
            most = max(most, channel._added_bytes - channel._table.freed_bytes)
        assert all(f.result(60).loss > 0 for f in futures)
        one = futures[0]._calls[0].size  # type: ignore[attr-defined]
        assert most <= 20_000 + one
        assert channel._added_bytes == channel._table.freed_bytes


def test_nobody_there_is_an_error_after_the_patience() -> None:
    client = tinsmith.ServiceClient(base_url="tcp://127.0.0.1:1", timeout=0.5)
    with pytest.raises(tinsmith.DeadlineExceededError):
        client.get_server_capabilities()
    client.close()
    with pytest.raises(tinsmith.UnavailableError):
        client.get_server_capabilities()


def test_the_tokenizer_of_the_base(training: tinsmith.TrainingClient) -> None:
    tokenizer = training.get_tokenizer()
    assert tokenizer.decode(tokenizer.encode("Reverse me")) == "Reverse me"
