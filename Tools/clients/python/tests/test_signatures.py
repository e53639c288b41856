"""The signatures of the tinker SDK: what its programs may call can be called here in the same way.

The table is that of SDK 0.38; where the SDK is installed, it is compared with the table as well.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import tinsmith

TWINS: dict[str, str] = {
    "ServiceClient.create_lora_training_client": (
        "base_model, rank=32, seed=None, train_mlp=True, train_attn=True, train_unembed=True, "
        "user_metadata=None, optimizer=None"
    ),
    "ServiceClient.create_sampling_client": (
        "model_path=None, base_model=None, retry_config=None, record_stability_info=False"
    ),
    "ServiceClient.create_training_client_from_state": (
        "path, base_model=None, user_metadata=None, weights_access_token=None, optimizer=None"
    ),
    "ServiceClient.create_training_client_from_state_with_optimizer": (
        "path, base_model=None, user_metadata=None, weights_access_token=None"
    ),
    "ServiceClient.get_server_capabilities": "",
    "TrainingClient.create_sampling_client": (
        "model_path, retry_config=None, record_stability_info=False"
    ),
    "TrainingClient.forward": "data, loss_fn, loss_fn_config=None",
    "TrainingClient.forward_backward": "data, loss_fn, loss_fn_config=None",
    "TrainingClient.forward_backward_custom": "data, loss_fn, *, loss_type_input=None",
    "TrainingClient.get_info": "",
    "TrainingClient.load_state": "path, weights_access_token=None",
    "TrainingClient.load_state_with_optimizer": "path, weights_access_token=None",
    "TrainingClient.optim_step": "optim_params=None, *, adam_params=None",
    "TrainingClient.save_state": "name, ttl_seconds=None, overwrite=False, user_metadata=None",
    "TrainingClient.save_weights_and_get_sampling_client": (
        "name=None, retry_config=None, record_stability_info=False, kind='snapshot'"
    ),
    "TrainingClient.save_weights_for_sampler": "name, ttl_seconds=None, user_metadata=None",
    "SamplingClient.compute_logprobs": "prompt, prompt_logprobs_last_n=None",
    "SamplingClient.get_base_model": "",
    "SamplingClient.sample": (
        "prompt, num_samples, sampling_params, include_prompt_logprobs=False, "
        "topk_prompt_logprobs=0, topk_sample_logprobs=0, target_prompt_logprobs=None, "
        "prompt_alt_tokens_k=0, prompt_logprobs_last_n=None"
    ),
    "RestClient.delete_checkpoint": "training_run_id, checkpoint_id",
    "RestClient.delete_checkpoint_from_tinker_path": "tinker_path",
    "RestClient.get_sampler": "sampler_id",
    "RestClient.get_session": "session_id, access_scope='owned'",
    "RestClient.get_training_run": "training_run_id, access_scope='owned'",
    "RestClient.get_training_run_by_tinker_path": "tinker_path, access_scope='owned'",
    "RestClient.list_checkpoints": "training_run_id",
    "RestClient.list_sessions": "limit=20, offset=0, access_scope='owned'",
    "RestClient.list_training_runs": "limit=20, offset=0, access_scope='owned', project_id=None",
    "RestClient.list_user_checkpoints": "limit=100, offset=0",
    "RestClient.publish_checkpoint_from_tinker_path": "tinker_path",
    "RestClient.set_checkpoint_ttl_from_tinker_path": "tinker_path, ttl_seconds",
    "RestClient.unpublish_checkpoint_from_tinker_path": "tinker_path",
    "APIFuture.result": "timeout=None",
}
"""By name the parameters, as in a `lambda`, of what has an `_async` twin; ... is some default."""

SINGLE: dict[str, str] = {
    "ServiceClient": (
        "user_metadata=None, project_id=None, *, display_name=None, base_url=None, "
        "api_key=None, default_headers_overrides=None"
    ),
    "ServiceClient.close": "status, detail=None",
    "ServiceClient.create_rest_client": "",
    "TrainingClient.get_tokenizer": "",
    "SamplingClient.from_sampler_handle": "handle, *, api_key=None",
    "SamplingClient.get_sampler_handle": "",
    "SamplingClient.get_tokenizer": "",
    "RestClient": "session=None, *, base_url=None, api_key=None",
    "RestClient.get_server_capabilities": "",
    "RestClient.get_weights_info_by_tinker_path": "tinker_path",
    "APIFuture.future": "",
    "types.AdamOptimizerConfig": "*, type='adamw'",
    "types.AdamParams": (
        "*, learning_rate=0.0001, beta1=0.9, beta2=0.95, eps=1e-12, weight_decay=0.0, "
        "grad_clip_norm=0.0"
    ),
    "types.Datum": (
        "model_input, loss_fn_inputs=..., model_input_spans=None, loss_fn_input_spans=None"
    ),
    "types.EncodedTextChunk": "*, tokens, type='encoded_text'",
    "types.ForwardBackwardOutput": "loss_fn_output_type, loss_fn_outputs, metrics=...",
    "types.ImageAssetPointerChunk": (
        "*, format, location, expected_tokens=None, type='image_asset_pointer'"
    ),
    "types.ImageChunk": "*, data, format, expected_tokens=None, type='image'",
    "types.LoraConfig": "*, rank, seed=None, train_unembed=True, train_mlp=True, train_attn=True",
    "types.ModelInput": "*, chunks",
    "types.ModelInput.append": "chunk",
    "types.ModelInput.append_int": "token",
    "types.ModelInput.empty": "",
    "types.ModelInput.from_ints": "tokens",
    "types.ModelInput.to_ints": "",
    "types.ParsedCheckpointTinkerPath": (
        "*, tinker_path, training_run_id, checkpoint_type, checkpoint_id"
    ),
    "types.ParsedCheckpointTinkerPath.from_tinker_path": "tinker_path",
    "types.SampleResponse": (
        "sequences, prompt_logprobs_np=None, topk_prompt_logprobs_np=None, "
        "target_prompt_logprobs=None, prompt_cache_hit_tokens=0"
    ),
    "types.SamplingParams": (
        "*, max_tokens=None, seed=None, stop=None, temperature=1, top_k=-1, top_p=1"
    ),
    "types.TensorData": (
        "data=None, dtype=None, shape=None, sparse_crow_indices=None, sparse_col_indices=None"
    ),
    "types.TensorData.from_numpy": "array",
    "types.TensorData.from_torch": "tensor",
    "types.TensorData.from_torch_sparse": "tensor, pad_value=0",
    "types.TensorData.to_numpy": "pad_value=0",
    "types.TensorData.to_torch": "pad_value=0",
    "types.TensorData.tolist": "pad_value=0",
}
"""The same of what has none."""

TABLE = {**TWINS, **{f"{name}_async": parameters for name, parameters in TWINS.items()}, **SINGLE}
INNER = {"session": "_holder"}
"""What only the clients themselves give, by its name in the SDK."""


def parameters(owner: Any, name: str) -> list[inspect.Parameter]:
    """Those of a class or a method, as the caller sees them."""
    for part in name.split("."):
        owner = getattr(owner, part)
    found = inspect.signature(owner).parameters.values()
    return [p for p in found if p.name != "self" and p.kind is not p.VAR_KEYWORD]


def of_table(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(eval(f"lambda {TABLE[name]}: 0")).parameters.values())


@pytest.mark.parametrize("name", TABLE)
def test_what_the_sdk_takes_is_taken(name: str) -> None:
    here = parameters(tinsmith, name)
    names = [p.name for p in here]
    for place, wanted in enumerate(of_table(name)):
        assert wanted.name in names
        found = here[names.index(wanted.name)]
        if wanted.kind is wanted.POSITIONAL_OR_KEYWORD:
            assert names[place] == wanted.name and found.kind is wanted.kind
        if wanted.default is not wanted.empty:
            assert found.default is not found.empty
            assert wanted.default in (found.default, ...)
    required = {p.name for p in here if p.default is p.empty}
    assert required <= {p.name for p in of_table(name)}


def test_the_table_is_that_of_the_sdk() -> None:
    sdk = pytest.importorskip("tinker")
    for name in TABLE:
        found = {p.name: p for p in parameters(sdk, name)}
        for wanted in of_table(name):
            theirs = found[INNER.get(wanted.name, wanted.name)]
            assert theirs.kind is wanted.kind, name
            assert wanted.default in (theirs.default, ...), name
