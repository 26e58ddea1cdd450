"""Checkpoints of the authors' code of CNM and CPL, and the configs that go with them."""
import re
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional, Tuple

import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from mmvmr.engine.checkpoint import load_checkpoint
from mmvmr.engine.run.config import MomentConfig, runner_entries
from mmvmr.engine.run.config_file import run_config_file
from mmvmr.engine.run.places import shipped_configs
from mmvmr.models.losses.diversity import width_of
from mmvmr.registry import MODELS
from mmvmr.utils.files import write_text, written_aside

DATASETS = {('CharadesSTA', 1024): 'charades_sta', ('ActivityNet', 500): 'activitynet_c3d',
            ('ActivityNet', 512): 'activitynet_clip'}

CLASSIFIER = dict(cnm='fc_rec', cpl='fc_comp')
HEAD = dict(cnm='fc_mask_gen', cpl='fc_gauss')
NAMES = [  # ours (a pattern) -> theirs; the generator and the reconstructor share what follows `trans`
    (r'^encoder\.video_projection\.', 'frame_fc.'),
    (r'^encoder\.word_projection\.', 'word_fc.'),
    (r'^encoder\.start$', 'start_vec'),
    (r'^encoder\.blank$', 'mask_vec'),
    (r'^encoder\.readout$', 'pred_vec'),
    (r'^(proposal_generator|reconstructors\.query)\.transformer\.', 'trans.'),
    (r'\.video_layers\.', '.decoder1.decoder_layers.'),
    (r'\.word_layers\.', '.decoder2.decoder_layers.'),
    (r'\.self_attention\.', '.self_attn.'),
    (r'\.memory_attention\.', '.encoder_attn.'),
    (r'\.self_norm\.', '.self_attn_layer_norm.'),
    (r'\.memory_norm\.', '.encoder_attn_layer_norm.'),
    (r'\.norm\.', '.final_layer_norm.'),
    (r'\.expand\.', '.fc1.'),
    (r'\.contract\.', '.fc2.')]


def official_name(name: str, method: str) -> str:
    """What the authors call the weight that mmvmr calls ``name``."""
    name = re.sub(r'^reconstructors\.query\.classifier\.', f'{CLASSIFIER[method]}.', name)
    name = re.sub(r'^proposal_generator\.head\.', f'{HEAD[method]}.', name)
    for ours, theirs in NAMES:
        name = re.sub(ours, theirs, name)
    return name


def read_official(path: Path, method: str) -> Tuple[Dict[str, Tensor], dict, int]:
    """The weights, the config and the number of updates of a checkpoint of the authors' code.

    Raises:
        ValueError: If it would run code, is damaged, or is not a checkpoint of this method.
    """
    checkpoint = load_checkpoint(path)
    absent = [key for key in ('model_parameters', 'config') if not isinstance(checkpoint.get(key), dict)]
    if absent:
        raise ValueError(f'"{path}" is no checkpoint of the code of CNM or CPL: it has no {" and no ".join(absent)}, '
                         f'but {", ".join(map(str, list(checkpoint)[:8]))}. Checkpoints of mmvmr need no conversion.')
    name = str(_Section(checkpoint['config'], '').get('model', {}).get('name'))
    if name.lower() == 'pps':
        raise ValueError(f'"{path}" is a checkpoint of PPS, which is not converted: in its code the widths and the '
                         'query slot of a pair depend on the other pairs of its batch, so no model has its answers.')
    if name.lower() != method:
        raise ValueError(f'"{path}" is a checkpoint of the model "{name}", not of {method.upper()}.')
    parameters = checkpoint['model_parameters']
    if parameters and all(name.startswith('module.') for name in parameters):  # saved under DataParallel
        parameters = {name.removeprefix('module.'): value for name, value in parameters.items()}
    return parameters, checkpoint['config'], int(checkpoint.get('num_updates', 0))


class _Section(dict):
    """A section of the authors' config, which says what it lacks."""

    def __init__(self, values: Any, name: str) -> None:
        super().__init__(values if isinstance(values, dict) else {})
        self.name = name

    def __missing__(self, key: str) -> NoReturn:
        raise ValueError(f'The config in the checkpoint has no {self.name}{key}, which those of the released code '
                         'have.')

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return _Section(value, f'{self.name}{key}.') if isinstance(value, dict) else value


def convert_weights(parameters: Dict[str, Tensor], model: torch.nn.Module, method: str) -> Dict[str, Tensor]:
    """The authors' weights under the names of ``model``.

    Raises:
        ValueError: If weights are missing, unknown or of another shape; the message gives the authors' names.
    """
    wanted = model.state_dict()
    names = {ours: official_name(ours, method) for ours in wanted}
    problems = []
    for title, found in (('missing', set(names.values()) - set(parameters)),
                         ('unknown', set(parameters) - set(names.values()))):
        if found:
            problems.append(f'{len(found)} weights are {title}: {", ".join(sorted(found)[:5])}')
    problems += [f'{theirs} has shape {tuple(parameters[theirs].shape)} instead of {tuple(wanted[ours].shape)}'
                 for ours, theirs in names.items()
                 if theirs in parameters and parameters[theirs].shape != wanted[ours].shape]
    if problems:
        raise ValueError(f'The weights are not those of {method.upper()} as its config describes it: '
                         f'{"; ".join(problems[:4])}.')
    return {ours: parameters[theirs].float() for ours, theirs in names.items()}


def model_config(method: str, official: Dict, parameters: Dict[str, Tensor]) -> Dict:
    """The model of mmvmr that computes what the authors' model does; sizes are read from the weights."""
    config = _Section(official, '')
    model, transformer = config['model']['config'], _transformer(config['model']['config'])
    dim, num_clips = model['hidden_size'], config['dataset']['max_num_frames'] // 4
    sizes = {name: parameters.get(theirs) for name, theirs in dict(
        video='frame_fc.weight', words='word_fc.weight', classes=f'{CLASSIFIER[method]}.bias').items()}
    if any(value is None for value in sizes.values()):
        raise ValueError(f'The weights are not those of {method.upper()}: they lack frame_fc, word_fc or '
                         f'{CLASSIFIER[method]}.')
    generator = dict(type='GaussianProposalGenerator', dim=dim, transformer=transformer, num_clips=num_clips)
    reconstructor = dict(type='MaskedQueryReconstructor', dim=dim, vocab_size=len(sizes['classes']),
                         transformer=transformer, end_token='if_padded')
    built = dict(
        type='MomentRetriever',
        encoder=dict(type='LinearEncoder', video_dim=sizes['video'].size(1), word_dim=sizes['words'].size(1), dim=dim,
                     dropout=model['dropout'], readout=method == 'cpl'),
        proposal_generator=generator, reconstructors=dict(query=reconstructor), tie_transformers=True)
    return dict(built, **(_cnm if method == 'cnm' else _cpl)(generator, config))


def _transformer(model: Dict) -> Dict:
    given = model['DualTransformer']
    if given['num_decoder_layers1'] != given['num_decoder_layers2']:
        raise ValueError(f'The stacks have {given["num_decoder_layers1"]} and {given["num_decoder_layers2"]} layers; a '
                         'DualTransformer has equally many in both.')
    return dict(type='DualTransformer', dim=given['d_model'], num_heads=given['num_heads'],
                num_layers=given['num_decoder_layers1'], dropout=given['dropout'])


def _cnm(generator: Dict, config: Dict) -> Dict:
    model, loss = config['model']['config'], config['loss']
    generator = dict(generator, sigma=(2 * model['alpha'])**0.5, max_width=model.get('max_width', 1),
                     min_mask_width=0.1, peak_normalized=False)
    return dict(
        proposal_generator=generator,
        negatives=dict(easy=dict(type='Complement'), hard=dict(type='WholeVideo')),
        losses=dict(reconstruction=dict(type='ReconstructionLoss', references=['hard']),
                    ranking=dict(type='RankingLoss', margins=dict(hard=loss['beta_1'], easy=loss['beta_2']))))


def _cpl(generator: Dict, config: Dict) -> Dict:
    model, loss = config['model']['config'], config['loss']
    sigma, side = model['sigma'], dict(type='Side', sigma=model['sigma'], gamma=model['gamma'])
    margins = dict(hard=loss['margin_1'], left=loss['margin_2'], right=loss['margin_2'])
    weights = 'best' if config['dataset']['dataset'] == 'CharadesSTA' else 'equal'
    return dict(
        proposal_generator=dict(generator, num_proposals=model['num_props'], sigma=sigma),
        negatives=dict(left=dict(side, side='left'), right=dict(side, side='right'), hard=dict(type='WholeVideo')),
        losses=dict(
            reconstruction=dict(type='ReconstructionLoss', references=['hard'], loss_weight=0.5),
            ranking=dict(type='RankingLoss', margins=margins, loss_weight=loss['alpha_1']),
            diversity=dict(type='DiversityLoss', width=width_of(loss['lambda'], sigma, generator['num_clips']),
                           sigma=sigma, loss_weight=loss['alpha_2'])),
        ranker=dict(type='VoteRanker', weights=weights) if config.get('vote') else dict(type='ReconstructionRanker'))


def schedule_config(method: str, train: Dict) -> Dict:
    """The authors' optimizers, one for CPL and two in turn for CNM, and their warm-ups."""
    if method == 'cpl':
        return dict(optim_wrapper=dict(type='OptimWrapper', **_adam(train['optimizer'])),
                    param_scheduler=[_warmup(train['optimizer'])])
    parts = dict(reconstruction=train['reconstructor'], ranking=train['generator'])
    warmups = {name: [_warmup(given)] for name, given in parts.items()}
    return dict(
        optim_wrapper=dict(constructor='AlternatingConstructor', reconstruction=_adam(parts['reconstruction']),
                           ranking=dict(modules=['proposal_generator.head'], **_adam(parts['ranking']))),
        param_scheduler=warmups['ranking'] if warmups['ranking'] == warmups['reconstruction'] else warmups)


def _adam(given: Dict) -> Dict:
    decay = given['weight_decay']  # the authors' is decoupled from the gradient
    optimizer = dict(type='AdamW', lr=given['lr'], weight_decay=decay) if decay else dict(type='Adam', lr=given['lr'])
    return dict(optimizer=optimizer, clip_grad=dict(max_norm=10))


def _warmup(given: Dict) -> Dict:
    return dict(type='InverseSquareRootLR', warmup=given['warmup_updates'], warmup_start=given['warmup_init_lr'])


def full_config(method: str, official: Dict, parameters: Dict[str, Tensor], data: Optional[Path]) -> MomentConfig:
    """A config that needs no other file: data, schedule and runtime of mmvmr, everything else of the authors' file."""
    config, base = _Section(official, ''), shipped_configs() / '_base_'
    given, train = config['dataset'], config['train']
    if data is None:
        key = (given['dataset'], given['frame_dim'])
        if key not in DATASETS:
            raise ValueError(f'The checkpoint is for {key[0]} with features of {key[1]} dimensions; no file of '
                             f'{base / "datasets"} is. Pass one that is with --data.')
        data = base / 'datasets' / f'{DATASETS[key]}.py'
    values: Dict[str, Any] = {}
    for file in (data, base / 'schedules' / 'inverse_sqrt.py', base / 'default_runtime.py'):
        values.update(run_config_file(file).values)
    values = {name: values[name] for name in values if name in runner_entries()}
    values.update(model=model_config(method, official, parameters), **schedule_config(method, train))
    values['train_cfg'] = dict(values['train_cfg'], max_epochs=train['max_num_epochs'])
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = dict(values[name]['dataset'], num_clips=given['max_num_frames'], max_words=given['max_num_words'])
        # the end of a query counts as in the authors' batches
        values[name] = dict(values[name], batch_size=train['batch_size'], dataset=dataset)
    return MomentConfig(values)


def notes_on(official: Dict) -> List[str]:
    """What of the authors' config has no counterpart, as sentences."""
    config = _Section(official, '')
    unused = config['model']['config'].get('use_negative', True)
    return [] if unused else ['The checkpoint was trained with use_negative=false; the written config trains with '
                              'negatives. Answers are not affected.']


def convert(method: str, source: Path, target: Path, data: Optional[Path] = None) -> List[str]:
    """Convert a checkpoint, and write the config that goes with it beside it.

    Args:
        method: 'cnm' or 'cpl'.
        source: Checkpoint of the authors' code.
        target: File to write, ``.pth``; files that are there are replaced.
        data: Config of the data set, like those in ``configs/_base_/datasets``.

    Returns:
        What a user has to know, as sentences.

    Raises:
        FileNotFoundError, ValueError: If there is no such checkpoint, or it cannot be converted.
    """
    parameters, official, updates = read_official(source, method)
    config = full_config(method, official, parameters, data)
    init_default_scope('mmvmr')
    state = convert_weights(parameters, MODELS.build(config.model.to_dict()), method)
    with written_aside(target) as partial:
        torch.save(dict(meta=dict(source=source.name, updates=updates), state_dict=state), partial)
        write_text(target.with_suffix('.py'), f'"""Made from {source.name}."""\n{config.pretty_text}')
    size = config.model.reconstructors.query.vocab_size - 1
    return [f'{target} and {target.with_suffix(".py")} are written. The words must be numbered as in training: '
            f'mmvmr vocabulary, with the glove.pkl of the authors and --size {size}.', *notes_on(official)]
