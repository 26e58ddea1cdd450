import pytest

from mmvmr.functional.groups import check_groups, group_members


def test_every_proposal_is_in_one_group_in_the_order_of_the_sizes():
    members = group_members([2, 1, 3])
    assert members.int().tolist() == [[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]


@pytest.mark.parametrize('groups', [[], [1, 0], [-1, 2]])
def test_groups_without_members_are_refused(groups):
    with pytest.raises(ValueError, match='all of them 1 or more, got'):
        group_members(groups)


def test_proposals_that_do_not_fit_are_refused_with_both_numbers():
    members = group_members([1, 2])
    check_groups(members, 3)
    with pytest.raises(ValueError, match=r'groups \(1, 2\) hold 3 proposals, but there are 4'):
        check_groups(members, 4)
