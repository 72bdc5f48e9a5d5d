import numpy as np
import pytest
from scipy import ndimage

from app.errors import UsageError
from app.hardware.scene import Scene, SceneSpec, structures_for
from app.settings import DEFAULT_CHANNELS, Channel

SMALL = SceneSpec(seed=3, nuclei=12, width=1200, height=800, pixel_size_um=0.2)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(SMALL)


@pytest.mark.parametrize("nuclei", [0, 1, 7, 20])
def test_the_field_holds_exactly_the_nuclei_asked_for(nuclei: int) -> None:
    scene = Scene(SceneSpec(seed=1, nuclei=nuclei, width=1200, height=800, pixel_size_um=0.2))
    labels = scene.labels()
    assert labels.dtype == np.int32
    assert labels.shape == (800, 1200)
    assert len(scene.nuclei) == nuclei
    assert sorted(set(np.unique(labels)) - {0}) == list(range(1, nuclei + 1))
    assert scene.count_in(0, 0, 1200, 800) == nuclei


def test_the_same_seed_gives_the_same_sample_and_another_does_not() -> None:
    one, again, other = (
        Scene(SceneSpec(seed=s, nuclei=6, width=600, height=400, pixel_size_um=0.3)) for s in (5, 5, 6)
    )
    np.testing.assert_array_equal(one.root(0), again.root(0))
    np.testing.assert_array_equal(one.labels(), again.labels())
    assert not np.array_equal(one.labels(), other.labels())


def test_the_usual_field_is_u2os_like() -> None:
    scene = Scene(SceneSpec())
    assert 40 <= len(scene.nuclei) <= 70
    diameters = [2 * np.sqrt(n.axes[0] * n.axes[1]) for n in scene.nuclei if n.kind in ("interphase", "prophase")]
    assert min(diameters) >= 149
    assert max(diameters) <= 201
    assert any(n.kind != "interphase" for n in scene.nuclei)
    assert any(n.blur_px > 5 for n in scene.nuclei)


def test_some_nuclei_touch_and_none_hides_another(scene: Scene) -> None:
    parts, _ = ndimage.label(scene.labels() > 0)
    assert parts.max() < len(scene.nuclei)
    areas = np.bincount(scene.labels().ravel(), minlength=len(scene.nuclei) + 1)[1:]
    for nucleus, area in zip(scene.nuclei, areas, strict=True):
        whole = np.pi * nucleus.axes[0] * nucleus.axes[1]
        inside = (
            nucleus.reach < nucleus.x < SMALL.width - nucleus.reach
            and nucleus.reach < nucleus.y < SMALL.height - nucleus.reach
        )
        assert area > 0.2 * whole
        if inside:
            assert area == pytest.approx(whole, rel=0.35)


def test_labels_lie_where_the_light_comes_from(scene: Scene) -> None:
    rate = scene.rate(0)
    dim = np.median(rate[scene.labels() == 0])
    for number, nucleus in enumerate(scene.nuclei, start=1):
        mine = rate[scene.labels() == number].mean()
        assert mine > 5 * dim, nucleus


def test_chromatin_is_textured(scene: Scene) -> None:
    for number, nucleus in enumerate(scene.nuclei, start=1):
        if nucleus.kind == "interphase" and nucleus.blur_px < 2:
            core = ndimage.binary_erosion(scene.labels() == number, iterations=10)
            values = scene.rate(0)[core]
            assert 0.05 < values.std() / values.mean() < 0.5


def test_each_line_excites_its_own_structure(scene: Scene) -> None:
    maps = [scene.rate(line)[::4, ::4].ravel() for line in range(4)]
    assert all(one.max() > 50 for one in maps)
    correlations = np.corrcoef(maps)
    assert np.all(correlations[~np.eye(4, dtype=bool)] < 0.9)
    nuclei = scene.labels()[::4, ::4].ravel() > 0
    assert maps[1][nuclei].mean() < maps[1][~nuclei].max() / 2


def test_a_line_without_a_structure_shows_nothing() -> None:
    scene = Scene(SceneSpec(nuclei=2, width=400, height=300, pixel_size_um=0.4, structures=("", "nuclei")))
    assert not scene.root(0).any()
    assert scene.root(1).any()
    assert not scene.root(7).any()


def test_corners_are_darker() -> None:
    scene = Scene(SceneSpec(nuclei=0, width=800, height=600))
    rate = scene.rate(0)
    assert rate[:20, :20].mean() < 0.85 * rate[290:310, 390:410].mean()


@pytest.mark.parametrize("roi", [(0, 0, 600, 800), (600, 0, 600, 800), (300, 200, 200, 120), (0, 0, 16, 16)])
def test_the_count_in_a_region_follows_the_labels(scene: Scene, roi: tuple[int, int, int, int]) -> None:
    x, y, width, height = roi
    areas = [np.pi * nucleus.axes[0] * nucleus.axes[1] for nucleus in scene.nuclei]
    seen = np.bincount(scene.labels()[y : y + height, x : x + width].ravel(), minlength=len(areas) + 1)[1:]
    surely = sum(part > 0.25 * area for part, area in zip(seen, areas, strict=True))
    perhaps = sum(part > 0.02 * area for part, area in zip(seen, areas, strict=True))
    assert surely <= scene.count_in(*roi) <= perhaps


@pytest.mark.parametrize(("nuclei", "pixel_size_um"), [(500, 0.35), (5000, 0.8)])
def test_crowded_fields_keep_their_count(nuclei: int, pixel_size_um: float) -> None:
    scene = Scene(SceneSpec(nuclei=nuclei, pixel_size_um=pixel_size_um))
    assert len(np.unique(scene.labels())) == nuclei + 1
    assert scene.count_in(0, 0, 3840, 2160) == nuclei


@pytest.mark.parametrize("spec", [SceneSpec(nuclei=5000), SceneSpec(nuclei=-1), SceneSpec(pixel_size_um=0)])
def test_an_impossible_sample_is_refused(spec: SceneSpec) -> None:
    with pytest.raises(UsageError):
        Scene(spec)


def test_structures_follow_the_channels() -> None:
    assert structures_for(DEFAULT_CHANNELS) == ("nuclei", "reticulum", "actin", "mitochondria")
    one = Channel(name="385", wavelength_nm=385, line=2, color="#ffffff", counts_nuclei=True)
    assert structures_for([one]) == ("", "", "nuclei")
    assert structures_for([]) == ()
