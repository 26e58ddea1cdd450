"""Checkpoints in the form of the authors' code, with random weights."""
from typing import Dict

import torch
from torch import Tensor


def make_config(method: str, dim: int = 16, heads: int = 4, layers: int = 2, video_dim: int = 8, word_dim: int = 6,
                num_words: int = 11, num_clips: int = 20, num_proposals: int = 4) -> dict:
    """A config with the sections of the authors' JSON files; sizes are those of a quick test by default."""
    transformer = dict(
        d_model=dim, num_heads=heads, num_decoder_layers1=layers, num_decoder_layers2=layers, dropout=0.1)
    model = dict(hidden_size=dim, use_negative=True, dropout=0.1, DualTransformer=transformer)
    adam = dict(lr=4e-4, weight_decay=0, warmup_updates=400, warmup_init_lr=1e-7)
    if method == 'cnm':
        model.update(alpha=5.5, max_width=0.45)
        loss = dict(beta_1=0.1, beta_2=0.15)
        train = dict(generator=adam, reconstructor=adam, batch_size=128, max_num_epochs=50)
    else:
        model.update(frames_input_size=video_dim, words_input_size=word_dim, num_props=num_proposals, sigma=9,
                     gamma=0.5)
        loss = {'margin_1': 0.1, 'margin_2': 0.15, 'lambda': 0.146, 'alpha_1': 1, 'alpha_2': 5}
        train = dict(optimizer=adam, batch_size=32, max_num_epochs=30)
    dataset = dict(dataset='CharadesSTA', vocab_size=num_words, word_dim=word_dim, frame_dim=video_dim,
                   max_num_words=20, max_num_frames=num_clips)
    return dict(dataset=dataset, train=train, model=dict(name=method.upper(), config=model), loss=loss)


def make_weights(config: dict, seed: int = 0) -> Dict[str, Tensor]:
    """Random weights of that model."""
    torch.manual_seed(seed)
    model, data = config['model']['config'], config['dataset']
    dim, cnm = model['hidden_size'], config['model']['name'] == 'CNM'
    weights = dict(mask_vec=torch.randn(data['word_dim']), start_vec=torch.randn(data['word_dim']))
    if not cnm:
        weights['pred_vec'] = torch.randn(data['frame_dim'])
    outputs = 2 if cnm else 2 * model['num_props']
    for name, inputs, size in (('frame_fc', data['frame_dim'], dim), ('word_fc', data['word_dim'], dim),
                               ('fc_rec' if cnm else 'fc_comp', dim, data['vocab_size'] + 1),
                               ('fc_mask_gen' if cnm else 'fc_gauss', dim, outputs)):
        weights.update(_linear(name, inputs, size))
    for number in (1, 2):
        for layer in range(model['DualTransformer'][f'num_decoder_layers{number}']):
            weights.update(_layer(f'trans.decoder{number}.decoder_layers.{layer}', dim))
    return weights


def _linear(name: str, inputs: int, outputs: int) -> Dict[str, Tensor]:
    return {f'{name}.weight': torch.randn(outputs, inputs) / inputs**0.5, f'{name}.bias': torch.randn(outputs) / 4}


def _layer(name: str, dim: int) -> Dict[str, Tensor]:
    weights = {}
    for attention in ('self_attn', 'encoder_attn'):
        weights[f'{name}.{attention}.in_proj_weight'] = torch.randn(3 * dim, dim) / dim**0.5
        weights[f'{name}.{attention}.in_proj_bias'] = torch.randn(3 * dim) / 4
        weights.update(_linear(f'{name}.{attention}.out_proj', dim, dim))
    for norm in ('self_attn_layer_norm', 'encoder_attn_layer_norm', 'final_layer_norm'):
        weights[f'{name}.{norm}.weight'] = 1 + torch.randn(dim) / 8
        weights[f'{name}.{norm}.bias'] = torch.randn(dim) / 8
    return dict(weights, **_linear(f'{name}.fc1', dim, 2 * dim), **_linear(f'{name}.fc2', 2 * dim, dim))


def make_checkpoint(method: str, seed: int = 0, **sizes) -> dict:
    """What the authors' runners save."""
    config = make_config(method, **sizes)
    return dict(num_updates=1234, config=config, model_parameters=make_weights(config, seed))
