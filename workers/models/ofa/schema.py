"""The key and the shape of every tensor of an OFA checkpoint, derived from the configuration.

Three kinds: `required` (computed with), `tied` (copies of the embedding, checked to be equal), `unused` (of image
generation and training; may be missing, but a wrong shape is still an error).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workers.models.ofa.config import ModelConfig

Shape = tuple[int, ...]

EMBEDDING = "encoder.embed_tokens.weight"
TIED = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")
TOKEN_POSITIONS = 1024  # rows of the token bucket index, whatever the configuration says
RESNET_WIDTHS = (64, 128, 256)
RESNET_EXPANSION = 4
RESNET_CHANNELS = RESNET_WIDTHS[-1] * RESNET_EXPANSION


@dataclass(frozen=True, kw_only=True)
class Schema:
    required: Mapping[str, Shape]
    tied: Mapping[str, Shape]
    unused: Mapping[str, Shape]


def schema(config: ModelConfig) -> Schema:
    d = config.d_model
    required = dict(_encoder(config)) | dict(_decoder(config))
    unused: dict[str, Shape] = {
        key.removesuffix("running_var") + "num_batches_tracked": () for key in required if key.endswith("running_var")
    }
    images = config.image_bucket_size**2 + 1
    for side in ("encoder", "decoder"):
        unused[f"{side}.image_rp_bucket"] = (images, images)
        unused[f"{side}.token_rp_bucket"] = (TOKEN_POSITIONS, TOKEN_POSITIONS)
        unused[f"{side}.version"] = (1,)  # written by fairseq checkpoints
    unused["decoder.image_position_idx"] = (1 + (config.code_image_size // 8) ** 2 + 768,)
    unused["decoder.embed_image_positions.weight"] = (images, d)
    for name in ("image_pos_ln", "code_layernorm_embedding"):
        unused |= dict(_affine(f"decoder.{name}", (d,)))
    for layer in range(config.decoder_layers):
        unused[f"decoder.image_rel_pos_table_list.{layer}.weight"] = (_image_distances(config), config.decoder_attention_heads)
    return Schema(required=required, tied=dict.fromkeys(TIED, (config.vocab_size, d)), unused=unused)


def _encoder(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    d, heads = config.d_model, config.encoder_attention_heads
    yield EMBEDDING, (config.vocab_size, d)
    yield "encoder.type_embedding.weight", (2, d)
    yield "encoder.embed_positions.weight", (config.max_position_embeddings + 2, d)
    yield "encoder.embed_image_positions.weight", (config.image_bucket_size**2 + 1, d)
    yield from _resnet(config)
    yield from _linear("encoder.image_proj", RESNET_CHANNELS, d)
    for name in ("layernorm_embedding", "patch_layernorm_embedding", "pos_ln", "image_pos_ln", "layer_norm"):
        yield from _affine(f"encoder.{name}", (d,))
    for name in ("pos_q_linear", "pos_k_linear"):
        yield from _linear(f"encoder.{name}", d, d)
    for layer in range(config.encoder_layers):
        yield f"encoder.token_rel_pos_table_list.{layer}.weight", (2 * config.token_bucket_size - 1, heads)
        yield f"encoder.image_rel_pos_table_list.{layer}.weight", (_image_distances(config), heads)
        prefix = f"encoder.layers.{layer}"
        yield from _attention(f"{prefix}.self_attn", d, heads)
        yield from _feed_forward(prefix, d, config.encoder_ffn_dim)


def _decoder(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    d, heads = config.d_model, config.decoder_attention_heads
    yield "decoder.embed_positions.weight", (config.max_position_embeddings + 2, d)
    for name in ("layernorm_embedding", "pos_ln", "layer_norm"):
        yield from _affine(f"decoder.{name}", (d,))
    for name in ("self_pos_q_linear", "self_pos_k_linear", "cross_pos_q_linear", "cross_pos_k_linear"):
        yield from _linear(f"decoder.{name}", d, d)
    for layer in range(config.decoder_layers):
        yield f"decoder.token_rel_pos_table_list.{layer}.weight", (2 * config.token_bucket_size - 1, heads)
        prefix = f"decoder.layers.{layer}"
        yield from _attention(f"{prefix}.self_attn", d, heads)
        yield from _attention(f"{prefix}.cross_attn", d, heads)
        yield from _feed_forward(prefix, d, config.decoder_ffn_dim)


def _resnet(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    prefix = "encoder.embed_images"
    yield f"{prefix}.conv1.weight", (64, 3, 7, 7)
    yield from _batch_norm(f"{prefix}.bn1", 64)
    channels = 64
    for stage, (width, blocks) in enumerate(zip(RESNET_WIDTHS, config.resnet_blocks, strict=True), start=1):
        out = width * RESNET_EXPANSION
        for block in range(blocks):
            name = f"{prefix}.layer{stage}.{block}"
            for index, shape in enumerate(((width, channels, 1, 1), (width, width, 3, 3), (out, width, 1, 1)), start=1):
                yield f"{name}.conv{index}.weight", shape
                yield from _batch_norm(f"{name}.bn{index}", shape[0])
            if block == 0:
                yield f"{name}.downsample.0.weight", (out, channels, 1, 1)
                yield from _batch_norm(f"{name}.downsample.1", out)
            channels = out


def _attention(name: str, d: int, heads: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.c_attn", (heads,)
    for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
        yield from _linear(f"{name}.{projection}", d, d)
    yield from _affine(f"{name}_layer_norm", (d,))
    yield from _affine(f"{name}_mid_layer_norm", (d,))


def _feed_forward(prefix: str, d: int, inner: int) -> Iterator[tuple[str, Shape]]:
    yield from _linear(f"{prefix}.fc1", d, inner)
    yield from _linear(f"{prefix}.fc2", inner, d)
    yield from _affine(f"{prefix}.ffn_layer_norm", (inner,))
    yield from _affine(f"{prefix}.final_layer_norm", (d,))


def _linear(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _affine(name: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape


def _batch_norm(name: str, channels: int) -> Iterator[tuple[str, Shape]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)


def _image_distances(config: ModelConfig) -> int:
    return (2 * config.image_bucket_size - 1) ** 2 + 3
