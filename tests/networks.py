"""Tiny networks with random weights, saved in the format of transformers, tokenizer and all."""
import string
from pathlib import Path

import torch

SIZES = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2)
LETTERS = [*string.ascii_lowercase, *string.digits, *'.,!?\'"-:', 'é', 'ü', '猫', '跑']


def byte_letters():
    """The signs that byte-level tokenizers write bytes with."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(256 - len(plain))]


def numbered(*groups):
    return {word: number for number, word in enumerate(dict.fromkeys(sum(map(list, groups), [])))}


def save_network(kind: str, folder: Path, seed: int = 0) -> str:
    """Write a network of a kind with random weights; those of joint kinds have 8 dimensions (16 of SigLIP)."""
    import transformers
    torch.manual_seed(seed)
    network, *others = globals()[f'_{kind}'](transformers)
    network.eval().save_pretrained(folder)
    for other in others:
        other.save_pretrained(folder)
    return str(folder)


def _wordpieces(transformers):
    return transformers.BertTokenizer(vocab=numbered(
        ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'], LETTERS, [f'##{letter}' for letter in LETTERS], ['ball', 'red']
    ), model_max_length=64)


def _bert(transformers):
    tokenizer = _wordpieces(transformers)
    return transformers.BertModel(transformers.BertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=64, **SIZES)), tokenizer


def _roberta(transformers):
    tokenizer = transformers.RobertaTokenizer(
        vocab=numbered(['<s>', '<pad>', '</s>', '<unk>', '<mask>'], byte_letters(), ['re', 'red']),
        merges=[('r', 'e'), ('re', 'd')])
    return transformers.RobertaModel(transformers.RobertaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=66, **SIZES)), tokenizer


def _t5(transformers):
    pieces = [('<pad>', 0.0), ('</s>', 0.0), ('<unk>', 0.0), ('▁', -2.0), ('▁red', -1.0),
              *((letter, -5.0) for letter in LETTERS)]
    tokenizer = transformers.T5Tokenizer(vocab=pieces, extra_ids=0)
    return transformers.T5Model(transformers.T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2)), tokenizer


def _qwen2(transformers):
    tokenizer = transformers.Qwen2Tokenizer(vocab=numbered(['<|endoftext|>'], byte_letters()), merges=[])
    return transformers.Qwen2Model(transformers.Qwen2Config(
        vocab_size=len(tokenizer), max_position_embeddings=64, num_key_value_heads=1, **SIZES)), tokenizer


def _clip(transformers):
    letters = byte_letters()
    tokenizer = transformers.CLIPTokenizer(
        vocab=numbered(letters, [f'{letter}</w>' for letter in letters], ['re', 'red</w>'],
                       ['<|startoftext|>', '<|endoftext|>']),
        merges=[('r', 'e'), ('re', 'd</w>')], model_max_length=64)
    config = transformers.CLIPConfig(
        text_config=dict(SIZES, vocab_size=len(tokenizer), max_position_embeddings=64, projection_dim=8,
                         bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id),
        vision_config=dict(SIZES, image_size=32, patch_size=16, projection_dim=8), projection_dim=8)
    images = transformers.CLIPImageProcessorPil(size=dict(shortest_edge=32), crop_size=dict(height=32, width=32))
    return transformers.CLIPModel(config), tokenizer, images


def _gemma_pieces(transformers, **settings):
    vocab = numbered(['<pad>', '<eos>', '<bos>', '<unk>', '<mask>'], ['▁'], LETTERS)
    return transformers.Siglip2Tokenizer(vocab=vocab, merges=[], **settings)


def _siglip(transformers):
    tokenizer = _gemma_pieces(transformers, model_input_names=['input_ids'], padding_side='right')  # as published
    config = transformers.SiglipConfig(
        text_config=dict(SIZES, vocab_size=len(tokenizer), max_position_embeddings=64, projection_size=16),
        vision_config=dict(SIZES, image_size=32, patch_size=16))
    return transformers.SiglipModel(config), tokenizer, transformers.SiglipImageProcessorPil(
        size=dict(height=32, width=32))


def _siglip2(transformers):
    tokenizer = _gemma_pieces(transformers)
    config = transformers.Siglip2Config(
        text_config=dict(SIZES, vocab_size=len(tokenizer), max_position_embeddings=64, projection_size=16),
        vision_config=dict(SIZES, num_patches=16, patch_size=8))
    return transformers.Siglip2Model(config), tokenizer, transformers.Siglip2ImageProcessorPil(
        patch_size=8, max_num_patches=16)
