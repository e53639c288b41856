"""Messages that the service refuses: with which code, and naming which field.

Whether protobuf itself can read a body is found out by asking its Python implementation; those of
other languages agree on all of these.
"""

import math

from frames_valid import (PATH, admin, checkpoints, datum, envelope, floats, int32s, int64s,
                          sampling, sessions, tensor, text_input, training, training_pass, wire)
from google.protobuf.message import DecodeError

W = "data[0].loss_fn_inputs[w]"


def case(name, message, field, *, body=None, attachments=(), code="INVALID_ARGUMENT"):
    """One case: a message, or other bytes as its body."""
    kind = type(message)
    body = message.SerializeToString(deterministic=True) if body is None else body
    try:
        kind.FromString(body)
        is_read = True
    except (DecodeError, UnicodeDecodeError):
        is_read = False
    return {
        "name": name, "message": message.DESCRIPTOR.name,
        "frames": [frame.hex() for frame in (body, *attachments)],
        "protobuf": "reads" if is_read else "refuses", "code": code, "field": field,
    }


def bodies() -> list[dict]:
    """Bytes that are not the message, or not as the wire wants it."""
    save, step = training.SaveStateRequest, training.OptimStepRequest
    return [
        case("cut_in_length", step(), "adam", body=b"\x0a\xff"),
        case("cut_in_text", save(), "name", body=b"\x0a\x05abc"),
        case("cut_in_tag", save(), "", body=b"\x0a\x01a\x80"),
        case("field_number_0", save(), "", body=b"\x02\x01a"),
        case("varint_of_11_bytes", save(), "ttl_seconds", body=b"\x10" + b"\x80" * 10 + b"\x01"),
        case("varint_over_64_bits", save(), "ttl_seconds", body=b"\x10" + b"\xff" * 9 + b"\x02"),
        case("wrong_wire_type", save(), "name", body=b"\x08\x01"),
        case("group", save(), "name", body=b"\x0b\x0c"),
        case("text_not_utf8", save(), "name", body=b"\x0a\x02\xc3\x28"),
        case("text_surrogate", save(), "name", body=b"\x0a\x03\xed\xa0\x80"),
        case("text_overlong", save(), "name", body=b"\x0a\x02\xc0\xaf"),
        case("text_with_nul", save(name="a\0b"), "name"),
        case("unknown_field", save(), "", body=b"\x0a\x01a\xf8\x07\x01"),
        case("unknown_field_inside", step(), "adam", body=b"\x0a\x03\xf8\x07\x01"),
        case("field_twice", save(), "name", body=b"\x0a\x01a\x0a\x01b"),
        case("message_twice", step(), "adam", body=b"\x0a\x00\x0a\x00"),
        case("two_of_a_oneof", sampling.CreateSamplingSessionRequest(), "model_path",
             body=b"\x0a\x01a\x12\x01b"),
        case("unknown_enum_value", sessions.FinishSessionRequest(), "reason", body=b"\x08\x09"),
        case("key_twice", save(name="a", user_metadata=[{"key": "k"}, {"key": "k"}]),
             "user_metadata[k]"),
        case("response_unknown_stop_reason", sampling.SampleResponse(), "sequences[0].stop_reason",
             body=b"\x0a\x02\x08\x09"),
        case("response_metric_without_colon", training.OptimStepResponse(
            metrics=[{"name": "loss", "value": 1.0}]), "metrics[loss]"),
        case("response_header_without_event", envelope.ResponseHeader(stream="s"), "event"),
        case("response_header_unknown_event", envelope.ResponseHeader(), "event", body=b"\x40\x07"),
        case("request_header_cut", envelope.RequestHeader(), "", body=b"\xff\xff\xff"),
        case("request_header_wire_type", envelope.RequestHeader(), "", body=b"\x0a\x01a"),
        case("request_header_long_stream", envelope.RequestHeader(stream="s" * 257), ""),
        case("request_header_long_token", envelope.RequestHeader(session_token="t" * 1025), ""),
    ]


def tensors() -> list[dict]:
    """Shapes, bytes and attachments that do not fit together."""
    def bad(name, value, field=W, attachments=()):
        return case(name, training_pass(w=value), field, attachments=attachments)

    def attached(shape, index):
        return wire.Tensor(dtype="DTYPE_FLOAT32", shape=shape, attachment=index)

    def sparse(shape, crow, col, cells, dtype="FLOAT32"):
        csr = {"crow_indices": {"raw": int64s(*crow)}, "col_indices": {"raw": int64s(*col)},
               "values": {"raw": floats(*cells)}}
        return wire.Tensor(dtype=f"DTYPE_{dtype}", shape=shape, sparse=csr)

    one, two = floats(1), floats(1, 2)
    without_rows = wire.Tensor(dtype="DTYPE_FLOAT32", shape=[1, 1], sparse={
        "col_indices": {}, "values": {}})
    odd_rows = wire.Tensor(dtype="DTYPE_FLOAT32", shape=[1, 1], sparse={
        "crow_indices": {"raw": b"1234567"}, "col_indices": {}, "values": {}})
    twice = training_pass(v=attached([1], 0), w=attached([1], 0))
    unknown = wire.Tensor(shape=[1], raw=one)
    unknown.dtype = 9
    deep = f"{W}.sparse"
    return [
        bad("tensor_too_short", tensor("float32", [3], two)),
        bad("tensor_too_long", tensor("float32", [1], two)),
        bad("tensor_half_a_number", tensor("int64", [1], one)),
        bad("tensor_no_bytes", wire.Tensor(dtype="DTYPE_FLOAT32", shape=[1])),
        bad("tensor_no_dtype", wire.Tensor(shape=[1], raw=one), f"{W}.dtype"),
        bad("tensor_unknown_dtype", unknown, "data[0].loss_fn_inputs[0].tensor.dtype"),
        bad("tensor_five_dimensions", tensor("float32", [1] * 5, one), f"{W}.shape"),
        bad("tensor_negative_dimension", tensor("float32", [-1], b""), f"{W}.shape"),
        bad("tensor_huge", tensor("float32", [1 << 32, 1 << 32], b""), f"{W}.shape"),
        bad("tensor_huge_but_empty", tensor("float32", [1 << 62, 1 << 62, 0], b""), f"{W}.shape"),
        case("pair_without_tensor", training.ForwardBackwardRequest(data=[training.Datum(
            model_input=text_input(5), loss_fn_inputs=[{"name": "w"}])], loss_fn="x"), W),
        bad("attachment_missing", attached([2], 0)),
        bad("attachment_index", attached([2], 7), attachments=[two]),
        bad("attachment_length", attached([3], 0), attachments=[two]),
        bad("attachment_unnamed", tensor("float32", [1], one), "", [two]),
        case("attachment_twice", twice, W, attachments=[one]),
        bad("sparse_one_dimension", sparse([3], (0, 1), (0,), (1,)), f"{W}.shape"),
        bad("sparse_rows", sparse([2, 2], (0, 1), (0,), (1,)), f"{deep}.crow_indices"),
        bad("sparse_first_row", sparse([1, 2], (1, 1), (0,), (1,)), f"{deep}.crow_indices"),
        bad("sparse_last_row", sparse([1, 2], (0, 2), (0,), (1,)), f"{deep}.crow_indices"),
        bad("sparse_decreasing", sparse([2, 2], (0, 2, 1), (0,), (1,)), f"{deep}.crow_indices"),
        bad("sparse_column", sparse([1, 2], (0, 1), (2,), (1,)), f"{deep}.col_indices"),
        bad("sparse_column_order", sparse([1, 2], (0, 2), (1, 1), (1, 2)), f"{deep}.col_indices"),
        bad("sparse_values", sparse([1, 2], (0, 1), (0,), (1, 2)), f"{deep}.values"),
        bad("sparse_without_rows", without_rows, f"{deep}.crow_indices"),
        bad("sparse_odd_rows", odd_rows, f"{deep}.crow_indices"),
    ]


def inputs() -> list[dict]:
    """Training requests that decode and are wrong."""
    def request(**fields):
        return training.ForwardBackwardRequest(loss_fn="cross_entropy", **fields)

    def model_input(chunks):
        return request(data=[training.Datum(model_input=wire.ModelInput(chunks=chunks))])

    chunk = "data[0].model_input.chunks[0]"
    again = request(data=[datum(w=tensor("float32", [1], floats(1)))])
    again.data[0].loss_fn_inputs.append(again.data[0].loss_fn_inputs[0])
    return [
        case("no_data", request(), "data"),
        case("no_loss", training.ForwardBackwardRequest(data=[datum()]), "loss_fn"),
        case("no_model_input", request(data=[training.Datum()]), "data[0].model_input"),
        case("no_chunks", model_input([]), "data[0].model_input.chunks"),
        case("no_tokens", model_input([{"encoded_text": {}}]), "data[0].model_input.chunks"),
        case("part_of_a_token", model_input([{"encoded_text": {"raw": b"12345"}}]),
             f"{chunk}.encoded_text.tokens"),
        case("chunk_of_nothing", model_input([{}]), chunk),
        case("image", model_input([{"image": {"format": "png", "expected_tokens": 4}}]), chunk
             + ".image", code="UNIMPLEMENTED"),
        case("audio", model_input([{"audio": {"expected_tokens": 4}}]), chunk + ".audio",
             code="UNIMPLEMENTED"),
        case("input_twice", again, W),
        case("option_without_value", request(data=[datum()], loss_fn_config=[{"name": "beta"}]),
             "loss_fn_config[beta]"),
        case("too_many_options", request(
            data=[datum()], loss_fn_config=[{"name": str(i), "number": 0.0} for i in range(1025)]),
            "loss_fn_config"),
    ]


def numbers() -> list[dict]:
    """Values outside of what is allowed."""
    def lora(**fields):
        return training.CreateModelRequest(base_model="m", lora=training.LoraConfig(**fields))

    def adam(**fields):
        return training.OptimStepRequest(adam=training.AdamParams(**fields))

    def sample(params=None, **fields):
        fields = {"prompt": text_input(5), "num_samples": 1, **fields}
        return sampling.SampleRequest(sampling_params=params, **fields)

    params = sampling.SamplingParams
    save = training.SaveStateRequest
    infinity = math.inf
    return [
        case("no_base_model", training.CreateModelRequest(lora={"rank": 8}), "base_model"),
        case("no_lora", training.CreateModelRequest(base_model="m"), "lora"),
        case("rank_0", lora(), "lora.rank"),
        case("rank_too_large", lora(rank=513), "lora.rank"),
        case("alpha_0", lora(rank=1, alpha=0.0), "lora.alpha"),
        case("alpha_infinite", lora(rank=1, alpha=infinity), "lora.alpha"),
        case("learning_rate_nan", adam(learning_rate=math.nan), "adam.learning_rate"),
        case("learning_rate_negative", adam(learning_rate=-1e-3), "adam.learning_rate"),
        case("beta1_1", adam(beta1=1.0), "adam.beta1"),
        case("beta2_negative", adam(beta2=-0.5), "adam.beta2"),
        case("eps_negative", adam(eps=-1.0), "adam.eps"),
        case("weight_decay_negative", adam(weight_decay=-1.0), "adam.weight_decay"),
        case("grad_clip_norm_infinite", adam(grad_clip_norm=infinity), "adam.grad_clip_norm"),
        case("name_empty", save(), "name"),
        case("name_of_a_path", save(name="../up"), "name"),
        case("name_hidden", save(name=".a"), "name"),
        case("name_with_blank", save(name="a b"), "name"),
        case("name_too_long", save(name="n" * 129), "name"),
        case("ttl_0", save(name="a", ttl_seconds=0), "ttl_seconds"),
        case("ttl_too_long", save(name="a", ttl_seconds=316224001), "ttl_seconds"),
        case("load_no_path", training.LoadStateRequest(), "path"),
        case("no_prompt", sampling.SampleRequest(num_samples=1), "prompt"),
        case("targets_of_another_length", sample(target_prompt_logprobs=tensor(
            "int64", [1, 1], bytes(8))), "target_prompt_logprobs.shape"),
        case("targets_of_floats", sample(target_prompt_logprobs=tensor(
            "float32", [0, 1], b"")), "target_prompt_logprobs.dtype"),
        case("no_samples", sample(num_samples=0), "num_samples"),
        case("too_many_samples", sample(num_samples=1025), "num_samples"),
        case("max_tokens_0", sample(params(max_tokens=0)), "sampling_params.max_tokens"),
        case("temperature_negative", sample(params(temperature=-1.0)),
             "sampling_params.temperature"),
        case("top_p_0", sample(params(top_p=0.0)), "sampling_params.top_p"),
        case("top_p_above_1", sample(params(top_p=1.5)), "sampling_params.top_p"),
        case("stop_string_empty", sample(params(stop_strings={"values": ["a", ""]})),
             "sampling_params.stop_strings.values[1]"),
        case("too_many_stops", sample(params(stop_tokens={"ids": range(65)})),
             "sampling_params.stop_tokens.ids"),
        case("topk_too_large", sample(topk_sample_logprobs=65), "topk_sample_logprobs"),
        case("last_n_alone", sample(prompt_logprobs_last_n=1), "prompt_logprobs_last_n"),
        case("source_empty", sample(base_model=""), "base_model"),
        case("no_source", sampling.CreateSamplingSessionRequest(), "base_model"),
        case("compute_no_prompt", sampling.ComputeLogprobsRequest(), "prompt"),
        case("no_path", checkpoints.CheckpointRequest(), "path"),
        case("sessions_limit", sessions.ListSessionsRequest(limit=16385), "limit"),
        case("no_session", sessions.SessionInfoRequest(), "session_id"),
        case("no_sampler", sessions.SamplerRequest(), "sampling_session_id"),
        case("runs_limit", sessions.ListRunsRequest(limit=16385), "limit"),
        case("no_run", sessions.RunRequest(), "model_id"),
        case("list_limit", checkpoints.ListCheckpointsRequest(limit=16385), "limit"),
        case("ttl_of_nothing", checkpoints.SetCheckpointTtlRequest(path=PATH, ttl_seconds=0),
             "ttl_seconds"),
        case("import_no_kind", checkpoints.ImportCheckpointRequest(name="a", base_model="m"),
             "kind"),
        case("import_file_twice", checkpoints.ImportCheckpointRequest(
            name="a", kind="CHECKPOINT_KIND_SAMPLER", base_model="m",
            files=[{"name": "f"}, {"name": "f"}]), "files[f]"),
        case("copy_no_path", checkpoints.CopyCheckpointRequest(name="a"), "path"),
        case("copy_odd_name", checkpoints.CopyCheckpointRequest(path=PATH, name="a/b"), "name"),
        case("copy_ttl", checkpoints.CopyCheckpointRequest(path=PATH, ttl_seconds=0),
             "ttl_seconds"),
        case("read_export_no_id", checkpoints.ReadExportRequest(file="f", length=1), "export_id"),
        case("read_export_odd_file", checkpoints.ReadExportRequest(
            export_id="e", file="../f", length=1), "file"),
        case("read_export_too_long", checkpoints.ReadExportRequest(
            export_id="e", file="f", length=(8 << 20) + 1), "length"),
        case("read_export_nothing", checkpoints.ReadExportRequest(export_id="e", file="f"),
             "length"),
        case("ping_attachment_missing", admin.PingRequest(payload={"attachment": 0}), "payload"),
    ]


def invalid() -> list[dict]:
    """All invalid cases."""
    return bodies() + tensors() + inputs() + numbers()
