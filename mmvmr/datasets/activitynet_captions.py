"""ActivityNet Captions (Krishna et al., ICCV 2017)."""
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import DATASETS


@DATASETS.register_module()
class ActivityNetCaptions(MomentDataset):
    """ActivityNet Captions from ``{id: {duration, timestamps, sentences}}``, or from a JSON list.

    Protocols: 37,421 training pairs with both; 'val_2' tests on 17,031 pairs (the "test" of most papers) and selects on
    val_1, 'val_1' tests on 17,505. Spans are cut at the end of the video, two swapped ones put right. The same pairs,
    divided anew to test out of distribution: 'cd_test_iid' and 'cd_test_ood' of ActivityNet-CD (Yuan et al., 2021);
    'cg_test_trivial', 'cg_novel_composition' and 'cg_novel_word' of ActivityNet-CG (Li et al., CVPR 2022).
    """
    METAINFO = dict(dataset='ActivityNet Captions')
    PROTOCOLS = dict(val_1=dict(train=37421, test=17505), val_2=dict(train=37421, val=17505, test=17031),
                     cd_test_iid={}, cd_test_ood={}, cg_test_trivial={}, cg_novel_composition={}, cg_novel_word={})
    HINT = (
        'Annotations: {train,val_1,val_2}.json of ActivityNet Captions.\n'
        'Features: C3D of 500 dimensions from activity-net.org (one group with c3d_features per video), then\n'
        '  mmvmr pack sub_activitynet_v1-3.c3d.hdf5 data/activitynet_captions/features\n'
        'Words: glove.pkl of github.com/minghangz/cpl, or GloVe text with --sentences (see --help), then\n'
        '  mmvmr vocabulary data/activitynet_captions/vocabulary.npz \\\n'
        '    --vectors glove.pkl --size 8000')
