"""The training code: data, split, targets, metrics; and, where PyTorch is installed, short runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from models.training.augment import CropMaker, crop_at_scale, targets
from models.training.baselines import otsu_watershed
from models.training.data import Item, groups, median_diameter, read_folder, split_by_group
from models.training.metrics import Score, matches, overlaps
from models.training.prepare import prepare
from models.training.synthetic import empty_field, nuclei_field

HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "onnx", "onnxscript", "sklearn"))
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="training needs the extra: pip install 'dapiscope[train]'")


def disc_item(name: str = "a", diameter: int = 16, size: int = 96, count: int = 9, seed: int = 0) -> Item:
    """Return a noisy field of discs on a grid."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    for i in range(count):
        y, x = divmod(i, 3)
        cv2.circle(labels, (size // 6 + x * size // 3, size // 6 + y * size // 3), diameter // 2, i + 1, -1)
    image = np.where(labels > 0, 120, 20) + rng.normal(0, 4, labels.shape)
    return Item(name, image.clip(0, 255).astype(np.uint8), labels, median_diameter(labels))


def write_items(folder: Path, items: list[Item]) -> None:
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for item in items:
        cv2.imwrite(str(folder / "images" / f"{item.name}.png"), item.image)
        cv2.imwrite(str(folder / "labels" / f"{item.name}.png"), item.labels.astype(np.uint16))


# ---------------------------------------------------------------- data and split


def fields_cut_in_four(count: int) -> tuple[list[Item], list[int]]:
    """Return the quarters of some synthetic fields, shuffled, and the field each came from."""
    items, origin = [], []
    for number in range(count):
        rng = np.random.default_rng(number)
        image, labels = nuclei_field(rng, 192, 18)
        image = cv2.GaussianBlur(image, (0, 0), 1.5) * 120 + 10 + rng.normal(0, 1, image.shape)
        for y in (0, 96):
            for x in (0, 96):
                part = np.ascontiguousarray(labels[y : y + 96, x : x + 96])
                grey = np.ascontiguousarray(image[y : y + 96, x : x + 96]).clip(0, 255).astype(np.uint8)
                items.append(Item(f"{number}-{y}-{x}", grey, part, median_diameter(part)))
                origin.append(number)
    order = np.random.default_rng(99).permutation(len(items))
    return [items[i] for i in order], [origin[i] for i in order]


def test_crops_of_one_field_share_a_group() -> None:
    items, origin = fields_cut_in_four(8)
    group = groups([item.image for item in items])
    together = sum(len(set(group[np.array(origin) == number])) == 1 for number in range(8))
    # A field of few nuclei may have empty edges, which tell nothing.
    assert together >= 6
    assert len(set(group)) >= 4


def test_no_group_is_on_both_sides_of_the_split() -> None:
    items, _ = fields_cut_in_four(10)
    training, validation, group = split_by_group(items, 0.25, seed=3)
    number = dict(zip((item.name for item in items), group, strict=True))
    assert not {number[i.name] for i in training} & {number[i.name] for i in validation}
    assert {i.name for i in training} | {i.name for i in validation} == set(number)
    assert 0 < len(validation) <= 0.6 * len(items)


def test_a_copy_of_an_image_joins_its_group() -> None:
    a, b = disc_item("a", seed=1), disc_item("b", diameter=10, count=4, seed=2)
    copy = Item("c", (a.image * 0.7).astype(np.uint8), a.labels, a.diameter)
    group = groups([a.image, b.image, copy.image])
    assert group[0] == group[2]


def test_reading_gives_image_labels_and_diameter(tmp_path: Path) -> None:
    write_items(tmp_path, [disc_item()])
    (item,) = read_folder(tmp_path)
    assert item.labels.max() == 9
    assert item.diameter == pytest.approx(16, abs=1)
    with pytest.raises(ValueError, match="holds no images"):
        read_folder(tmp_path / "nowhere")


def test_prepare_merges_masks_and_leaves_histology_out(tmp_path: Path) -> None:
    source = tmp_path / "stage1_train"
    grey, stain = np.full((20, 20, 3), 10, np.uint8), np.full((20, 20, 3), 220, np.uint8)
    stain[..., 0] = 90
    for name, picture in (("fluo", grey), ("stain", stain)):
        for part in ("images", "masks"):
            (source / name / part).mkdir(parents=True)
        for i, x in enumerate((2, 6, 13)):
            mask = np.zeros((20, 20), np.uint8)
            mask[5:10, x : x + 5] = 255
            picture[mask > 0] += 20
            cv2.imwrite(str(source / name / "masks" / f"{i}.png"), mask)
        cv2.imwrite(str(source / name / "images" / f"{name}.png"), picture)
    assert prepare(source, tmp_path / "out") == (1, 3)
    (item,) = read_folder(tmp_path / "out")
    assert item.name == "fluo"
    # The two masks share a column: the first keeps it.
    np.testing.assert_array_equal(np.bincount(item.labels.ravel())[1:], [25, 20, 25])


# ---------------------------------------------------------------- crops and targets


def test_targets_of_two_touching_squares() -> None:
    labels = np.zeros((24, 30), np.int32)
    labels[5:16, 4:15], labels[5:16, 15:26] = 1, 2
    target, weight = targets(labels)
    assert (target[0] == (labels > 0)).all()
    assert target[1].max() == 1
    assert target[1][10, 9] == 1
    assert target[1][10, 20] == 1
    assert target[1][10, 14] < 0.3
    assert target[2][10, 12:18].tolist() == [0, 1, 1, 1, 1, 0]
    assert target[2][labels == 0].sum() == 16  # two rows beyond either end
    assert weight.min() == 1


def test_targets_of_an_empty_crop() -> None:
    target, weight = targets(np.zeros((16, 16), np.int32))
    assert target.sum() == 0
    assert (weight == 1).all()


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_crops_have_their_size_and_no_weight_beyond_the_image(factor: float) -> None:
    item = disc_item()
    image, labels, weight = crop_at_scale(np.random.default_rng(0), item, factor, 128)
    assert image.shape == labels.shape == weight.shape == (128, 128)
    side = min(128, round(96 * factor))
    assert weight.sum() == side * side


def test_crops_depend_on_the_seed_alone() -> None:
    maker = CropMaker([disc_item()], 64, 20, (-1, 1), 0.2, 0.2)
    first = [maker.draw(np.random.default_rng(5)) for _ in range(2)]
    for a, b in zip(*first, strict=True):
        np.testing.assert_array_equal(a, b)
    x, target, weight = first[0]
    assert (x.shape, target.shape, weight.shape) == ((1, 64, 64), (3, 64, 64), (64, 64))
    assert x.dtype == target.dtype == weight.dtype == np.float32


def test_many_crops_are_finite_and_in_range() -> None:
    maker = CropMaker([disc_item(), disc_item("b", 30, 120, 4)], 64, 20, (-1, 1.1), 0.2, 0.2)
    rng = np.random.default_rng(0)
    for _ in range(150):
        x, target, weight = maker.draw(rng)
        assert np.isfinite(x).all()
        assert -0.1 <= x.min() <= x.max() < 2
        assert 0 <= target.min() <= target.max() <= 1
        assert weight.min() >= 0


def test_synthetic_fields() -> None:
    rng = np.random.default_rng(1)
    image, labels = nuclei_field(rng, 200, 30)
    assert labels.max() >= 1
    assert (image[labels == 0] == 0).all()
    assert 18 < median_diameter(labels) < 45
    assert all(np.isfinite(empty_field(rng, 64)).all() for _ in range(40))


# ---------------------------------------------------------------- metrics


def test_overlaps_and_matches_of_a_hand_worked_case() -> None:
    truth, predicted = np.zeros((10, 20), int), np.zeros((10, 20), int)
    truth[0:10, 0:4], truth[0:10, 8:12] = 1, 2
    predicted[0:10, 0:5], predicted[0:10, 11:16] = 1, 2
    iou = overlaps(truth, predicted)
    np.testing.assert_allclose(iou, [[40 / 50, 0], [0, 10 / 80]])
    assert [matches(iou, t) for t in (0.5, 0.75, 0.9)] == [1, 1, 0]
    score = Score()
    score.add(truth, predicted)
    assert score.f1(0.5) == pytest.approx(0.5)


def test_a_split_nucleus_counts_once_at_most() -> None:
    truth, predicted = np.zeros((4, 10), int), np.zeros((4, 10), int)
    truth[:] = 1
    predicted[:, :5], predicted[:, 5:] = 1, 2
    assert matches(overlaps(truth, predicted), 0.5) == 1


def test_scores_of_nothing() -> None:
    score = Score()
    score.add(np.zeros((5, 5), int), np.zeros((5, 5), int))
    assert score.f1(0.5) == 1
    score.add(np.zeros((5, 5), int), np.ones((5, 5), int))
    assert score.f1(0.5) == 0


def test_the_baseline_counts_an_easy_field() -> None:
    item = disc_item()
    assert otsu_watershed(item.image).max() == 9
    assert otsu_watershed(np.full((40, 40), 7, np.uint8)).max() == 0


# ---------------------------------------------------------------- with PyTorch


@needs_torch
def test_fast_run_stops_resumes_and_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    import torch

    from models.training.fast import FastConfig, train

    write_items(tmp_path / "data", [disc_item(f"{i}", 14 + i, seed=i) for i in range(6)])
    common = {"maps": (4, 8), "depths": (1, 1), "crop": 32, "batch": 2, "validate_every": 2, "save_every": 2}
    config = FastConfig(**common, steps=4, validation_fraction=0.3, bfloat16=False)
    train(config, tmp_path / "data", tmp_path / "whole", "cpu")
    # The learning rate follows the planned length, so an interruption is played by taking the last file back.
    train(config, tmp_path / "data", tmp_path / "broken", "cpu")
    state = torch.load(tmp_path / "broken" / "last.pt", weights_only=False)
    assert state["done"] == 4
    report = train(config, tmp_path / "data", tmp_path / "broken", "cpu")
    assert report["done"] in (2, 4)
    whole = torch.load(tmp_path / "whole" / "last.pt", weights_only=False)
    for name, value in whole["network"].items():
        torch.testing.assert_close(state["network"][name], value)
    with pytest.raises(ValueError, match="another configuration"):
        train(FastConfig(**{**common, "batch": 3}, steps=4), tmp_path / "data", tmp_path / "broken", "cpu")


@needs_torch
def test_teachers_answer_where_they_were_asked() -> None:
    """Scales and mirror images are undone: a network that repeats its input answers with it."""
    import torch

    from models.training.teachers import Teachers

    class Repeating(torch.nn.Module):
        multiple_of = 16

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.repeat(1, 3, 1, 1)

    y, x = torch.meshgrid(torch.linspace(-2, 2, 64), torch.linspace(-1, 3, 64), indexing="ij")
    crops = torch.sin(y + 0.5 * x * y)[None, None]
    for seed in range(4):
        answer = Teachers([Repeating()], torch.device("cpu"), False).answer(crops, np.random.default_rng(seed))
        assert answer.shape == (1, 3, 64, 64)
        torch.testing.assert_close(answer[0, 1], torch.sigmoid(crops[0, 0]), atol=0.02, rtol=0)


@needs_torch
def test_a_taught_run_starts_from_its_teacher_and_needs_one(tmp_path: Path) -> None:
    import torch

    from models.training.fast import FastConfig, _Trainer, train
    from models.training.teachers import read_teacher

    items = [disc_item(f"{i}", 14 + i, seed=i) for i in range(6)]
    write_items(tmp_path / "data", items)
    common = {"maps": (4, 8), "depths": (1, 1), "crop": 32, "batch": 2, "validate_every": 2, "save_every": 2}
    config = FastConfig(**common, steps=2, validation_fraction=0.3, bfloat16=False)
    train(config, tmp_path / "data", tmp_path / "teacher", "cpu")
    taught = config.model_copy(update={"taught": 0.5, "seed": 2})
    teacher = read_teacher(tmp_path / "teacher")
    state = torch.load(tmp_path / "teacher" / "last.pt", weights_only=False)
    trainer = _Trainer(taught, items, torch.device("cpu"), [teacher])
    for name, value in trainer.network.state_dict().items():
        torch.testing.assert_close(value, state["average"][name])
    assert np.isfinite(trainer.step())
    for name, value in teacher.state_dict().items():  # who teaches does not learn
        torch.testing.assert_close(value, state["average"][name])
    with pytest.raises(ValueError, match="--teacher"):
        train(taught, tmp_path / "data", tmp_path / "taught", "cpu")
    with pytest.raises(ValueError, match="train it first"):
        train(taught, tmp_path / "data", tmp_path / "taught", "cpu", [tmp_path / "none"])


@needs_torch
def test_a_trainer_restored_half_way_ends_the_same(tmp_path: Path) -> None:
    import torch

    from models.training.fast import FastConfig, _Trainer

    config = FastConfig(maps=(4, 8), depths=(1, 1), crop=32, batch=2, steps=6, bfloat16=False)
    items = [disc_item(f"{i}", 14 + i, seed=i) for i in range(3)]
    whole = _Trainer(config, items, torch.device("cpu"))
    for _ in range(6):
        whole.step()
    half = _Trainer(config, items, torch.device("cpu"))
    for _ in range(3):
        half.step()
    torch.save(half.state(), tmp_path / "half.pt")
    rest = _Trainer(config, items, torch.device("cpu"))
    rest.restore(torch.load(tmp_path / "half.pt", weights_only=False))
    for _ in range(3):
        rest.step()
    for a, b in zip(whole.average.parameters(), rest.average.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@needs_torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_export_gives_the_same_results_and_holds_no_paths(tmp_path: Path) -> None:
    import torch

    from models.training.export import for_inference, session, to_onnx
    from models.training.networks import FastUNet

    network = FastUNet((4, 8), (2, 1))
    network.train()
    for _ in range(3):
        network(torch.rand(4, 1, 16, 16))
    network.eval()
    path = tmp_path / "m.onnx"
    assert len(to_onnx(network, path, 1, network.multiple_of)) == 64
    x = torch.rand(1, 1, 20, 28)
    with torch.no_grad():
        expected = torch.sigmoid(network(x)).numpy()
        torch.testing.assert_close(for_inference(network)(x), network(x), atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(session(path, 1)(x.numpy()), expected, atol=1e-5)
    assert str(Path(__file__).parents[1]).encode() not in path.read_bytes()


@needs_torch
@pytest.mark.parametrize("variant", ["notebook", "text"])
def test_paper_run_on_a_tiny_set(tmp_path: Path, variant: str) -> None:
    from models.training.paper import PaperConfig, split, train

    for part in ("im", "label"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for i in range(12):
        item = disc_item(str(i), 10 + i % 4, 32, 4, seed=i)
        cv2.imwrite(str(tmp_path / "data" / "im" / f"{i}.png"), cv2.cvtColor(item.image, cv2.COLOR_GRAY2BGR))
        cv2.imwrite(str(tmp_path / "data" / "label" / f"{i}.png"), ((item.labels > 0) * 255).astype(np.uint8))
    config = PaperConfig(variant=variant, images=12, base_maps=2, levels=2, epochs=2)
    report = train(config, tmp_path / "data", tmp_path / "run", "cpu")
    assert report["images"] == {"train": 7, "validation": 2, "test": 3}
    assert 0 <= report["test_pixel_accuracy"] <= 1
    assert report["chosen_epoch"] in (1, 2)
    again = train(config, tmp_path / "data", tmp_path / "run", "cpu")
    assert again["test_pixel_accuracy"] == report["test_pixel_accuracy"]
    sides = split(config)
    assert not set(sides["train"]) & set(sides["test"])


@needs_torch
def test_paper_reports_are_summarised_over_seeds(tmp_path: Path) -> None:
    from models.training.paper import summarise, write_report

    history = [{"done": 1, "loss": 0.3, "validation_loss": 0.3, "validation_accuracy": 0.96}]
    for seed, accuracy in ((1, 0.97), (2, 0.98)):
        report = {
            "config": {"variant": "notebook", "seed": seed, "checkpoint_by": "validation loss"},
            "images": {"train": 7, "validation": 2, "test": 3},
            "history": history,
            "chosen_epoch": 1,
            "threshold": 0.5,
            "test_pixel_accuracy": accuracy,
            "test_pixel_accuracy_at_0.5": accuracy,
            "test_pixel_accuracy_standard_error": 0.001,
            "empty_mask_accuracy": 0.85,
            "parameters": 10,
        }
        write_report(report, tmp_path)
    assert any("97.50 ± 0.71 %" in line for line in summarise(tmp_path))
    assert (tmp_path / "paper-notebook-1.svg").stat().st_size > 1000
    assert "**97.00 %**" in (tmp_path / "paper-notebook-1.md").read_text()


@needs_torch
def test_the_papers_split_and_size() -> None:
    from sklearn.model_selection import train_test_split

    from models.training.networks import PaperUNet
    from models.training.paper import PaperConfig, split

    sides = split(PaperConfig())
    assert [len(sides[s]) for s in ("train", "validation", "test")] == [428, 108, 134]
    assert sides["test"] == train_test_split(range(670), test_size=0.2, random_state=368)[1]
    assert sum(p.numel() for p in PaperUNet().parameters()) == pytest.approx(1.94e6, rel=0.01)


@needs_torch
def test_cards_are_toml_that_reads_back(tmp_path: Path) -> None:
    import tomllib

    from models.training.export import write_card

    card = {"name": "x", "input": {"a": 1, "b": 0.5, "c": [1, "two"], "on": True}, "scores": {"d": {"f1_0.5": 0.9}}}
    write_card(tmp_path / "x.toml", card)
    assert tomllib.loads((tmp_path / "x.toml").read_text()) == card


@needs_torch
def test_command_line_lists_its_commands() -> None:
    from models.training.__main__ import cli

    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in ("paper", "fast", "publish", "evaluate", "prepare-bbbc038"))


def test_log_keeps_the_last_line_of_a_repeated_step(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra: pip install 'dapiscope[train]'")
    from models.training.runs import RunLog

    log = RunLog(tmp_path / "log.jsonl", 3)
    for done, value in ((1, 0.5), (2, 0.4), (2, 0.3)):
        log.write(done, loss=value)
    assert log.history() == [{"done": 1, "loss": 0.5}, {"done": 2, "loss": 0.3}]
    assert json.loads(log.path.read_text().splitlines()[0]) == {"done": 1, "loss": 0.5}


# ---------------------------------------------------------------- thresholds and scores


def drawn_outputs(number: int = 6) -> tuple[list[Item], list[np.ndarray]]:
    """Images of discs with a network's imagined output: the discs, and weak smears that are none."""
    items, results = [], []
    for seed in range(number):
        item = disc_item(f"image{seed}", seed=seed)
        inside = (item.labels > 0).astype(np.float32)
        depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
        output = np.stack([0.95 * inside, depth / max(depth.max(), 1), np.zeros_like(inside)])
        y, x = np.argwhere(cv2.erode(1 - inside, np.ones((9, 9))) > 0)[seed * 7]
        output[0, max(y - 3, 0) : y + 3, max(x - 3, 0) : x + 3] = 0.65
        output[1, max(y - 2, 0) : y + 2, max(x - 2, 0) : x + 2] = 0.5
        items.append(item)
        results.append(output.astype(np.float32))
    return items, results


def test_the_score_tells_smears_from_nuclei() -> None:
    pytest.importorskip("sklearn", reason="training needs the extra: pip install 'dapiscope[train]'")
    from models.training.calibrate import calibrate, find, fit_score, scored

    start = {
        "method": "cores",
        "foreground": 0.5,
        "core": 0.2,
        "min_area": 5,
        "min_score": 0.5,
        "levels": 2,
        "steps": 4,
    }
    items, results = drawn_outputs()
    found = [find(item, output, start, 16) for item, output in zip(items, results, strict=True)]
    assert [each.true for each in found] == [int(item.labels.max()) for item in items]
    right, score = np.concatenate([each.right for each in found]), fit_score(found)
    assert 0 < (~right).sum() <= len(items)
    likely = np.concatenate([scored(each, score) for each in found])
    assert likely[right].min() > likely[~right].max()
    choice = calibrate(items, results, 20, start)
    assert choice.figures["f1_0.5"] == 1
    assert choice.figures["count_bias_percent"] == 0


def test_reliability_by_hand() -> None:
    from models.training.reliability import binned

    curve = binned(np.array([0.05, 0.15, 0.15, 0.95, 1.0]), np.array([False, True, False, True, True]))
    assert curve.number.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    np.testing.assert_allclose(curve.right[[0, 1, 9]], [0, 0.5, 1])
    assert curve.error == pytest.approx((0.05 + 2 * 0.35 + 2 * 0.025) / 5)


def test_mirror_images_are_turned_back() -> None:
    from models.training.evaluation import mirrored

    x = np.random.default_rng(0).random((1, 1, 8, 12)).astype(np.float32)
    for views in (1, 2, 4):
        np.testing.assert_allclose(mirrored(lambda image: 2 * image, views)(x), 2 * x, rtol=1e-6)
    slope = np.linspace(0, 1, 12, dtype=np.float32)  # a network that knows left from right
    both = mirrored(lambda image: image * slope, 2)(np.ones_like(x))
    np.testing.assert_allclose(both, 0.5, atol=1e-6)


def test_a_widened_network_gives_the_same_with_whole_sixteens_of_outputs() -> None:
    onnx = pytest.importorskip("onnx")
    import onnxruntime

    from models.training.suit_int8 import of_one_channel, widened

    rng = np.random.default_rng(0)
    shapes = {"first": (16, 1, 3, 3), "head": (12, 16, 1, 1), "last": (1, 12, 1, 1)}
    weights = [onnx.numpy_helper.from_array(rng.random(shape, np.float32), name) for name, shape in shapes.items()]
    bias = onnx.numpy_helper.from_array(rng.random(12, np.float32), "bias")
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["image", "first"], ["a"], "conv_first", pads=[1, 1, 1, 1]),
        make("Conv", ["a", "head", "bias"], ["b"], "conv_head"),
        make("Conv", ["b", "last"], ["out"], "conv_last"),
    ]
    ends = [onnx.helper.make_tensor_value_info(name, 1, [1, 1, "h", "w"]) for name in ("image", "out")]
    opset = onnx.helper.make_opsetid("", 17)
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], [*weights, bias])
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    wide = widened(model)
    assert {each.name: each.dims[0] for each in wide.graph.initializer}["head.wide"] == 16
    assert [node.op_type for node in wide.graph.node] == ["Conv", "Conv", "Slice", "Conv"]
    assert list(of_one_channel(wide)) == ["conv_first"]
    image = rng.random((1, 1, 8, 8), np.float32)
    found = [
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, {"image": image}
        )[0]
        for each in (model, wide)
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


def test_an_8_bit_network_is_enlarged_by_copies_to_the_same_numbers() -> None:
    onnx = pytest.importorskip("onnx")
    import onnxruntime

    from models.training.suit_int8 import enlarged_by_copies

    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    numbers = {
        "step": np.float32(0.5),
        "zero": np.uint8(3),
        "other": np.float32(0.25),
        "sides": np.float32([1, 1, 2, 2]),
    }

    def network(back: str) -> onnx.ModelProto:
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        nodes = [
            make("QuantizeLinear", ["image", "step", "zero"], ["whole"]),
            make("DequantizeLinear", ["whole", "step", "zero"], ["small"]),
            make("Resize", ["small", "", "sides"], ["large"], **how),
            make("QuantizeLinear", ["large", back, "zero"], ["wholes"]),
            make("DequantizeLinear", ["wholes", back, "zero"], ["out"]),
        ]
        ends = [value("image", 1, [1, 5, "h", "w"]), value("out", 1, [1, 5, "H", "W"])]
        constants = [onnx.numpy_helper.from_array(np.asarray(each), name) for name, each in numbers.items()]
        graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)

    model = network("step")
    copied = enlarged_by_copies(model)
    onnx.checker.check_model(copied)
    assert "Resize" in [node.op_type for node in model.graph.node]
    assert "Resize" not in [node.op_type for node in copied.graph.node]
    image = np.random.default_rng(0).uniform(0, 100, (1, 5, 6, 7)).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, {"image": image}
        )[0]
        for each in (model, copied)
    )
    np.testing.assert_array_equal(after, before)
    with pytest.raises(ValueError, match="whole numbers"):
        enlarged_by_copies(network("other"))


def test_an_8_bit_network_keeps_its_probabilities_in_whole_numbers(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from models.training.export import session
    from models.training.suit_int8 import in_whole_numbers

    def written(name: str, scale: float) -> Path:
        make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
        nodes = [
            make("Sigmoid", ["image"], ["sure"]),
            make("QuantizeLinear", ["sure", "scale", "zero"], ["steps"]),
            make("DequantizeLinear", ["steps", "scale", "zero"], ["probability"]),
        ]
        numbers = [
            onnx.numpy_helper.from_array(np.float32(scale).reshape(()), "scale"),
            onnx.numpy_helper.from_array(np.uint8(0).reshape(()), "zero"),
        ]
        ends = [value(each, 1, [1, 1, "h", "w"]) for each in ("image", "probability")]
        graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], numbers)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return path

    path = written("steps.onnx", 1 / 255)
    whole = in_whole_numbers(onnx.load(path))
    onnx.checker.check_model(whole)
    assert whole.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    (tmp_path / "whole.onnx").write_bytes(whole.SerializeToString())
    image = np.linspace(-6, 6, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    np.testing.assert_allclose(session(tmp_path / "whole.onnx", 1)(image), session(path, 1)(image), atol=1e-6)
    with pytest.raises(ValueError, match="not of 1/255"):
        in_whole_numbers(onnx.load(written("hundredths.onnx", 0.01)))


def test_scales_are_brought_back_to_one() -> None:
    from models.training.evaluation import over_scales

    y, x = np.mgrid[:64, :96].astype(np.float32) / 64
    image = (y + x)[None, None]
    seen = []

    def network(picture: np.ndarray) -> np.ndarray:
        seen.append(picture.shape[2:])
        return np.concatenate([picture, 2 * picture], axis=1)

    mean = over_scales(network, (1.0, 0.5), 16)(image)
    assert seen == [(64, 96), (32, 48)]
    assert mean.shape == (1, 2, 64, 96)
    np.testing.assert_allclose(mean[0, 1, 4:-4, 4:-4], 2 * image[0, 0, 4:-4, 4:-4], atol=0.02)
