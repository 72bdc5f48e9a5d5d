"""The command line of the training: ``python -m models.training COMMAND``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)

HERE = Path(__file__).resolve().parent
Data = Annotated[Path, typer.Option(envvar="DAPISCOPE_DATA", help="Folder that holds the data sets.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]


def _settings(path: Path, **changes: object) -> dict[str, Any]:
    """Read a TOML configuration and lay the options given on the command line over it."""
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    return settings | {name: value for name, value in changes.items() if value is not None}


@cli.callback()
def _cli() -> None:
    """Train, evaluate and export the networks of dapiscope."""


@cli.command()
def paper(
    data: Data,
    seed: Annotated[int | None, typer.Option(help="weights, order and dropout")] = None,
    variant: Annotated[str | None, typer.Option(help="notebook or text")] = None,
    epochs: Annotated[int | None, typer.Option()] = None,
    bfloat16: Annotated[bool | None, typer.Option(help="train in half-precision numbers")] = None,
    config: Annotated[Path, typer.Option()] = HERE / "configs" / "paper.toml",
    out: Annotated[Path | None, typer.Option(help="run folder; an interrupted run goes on")] = None,
    device: Device = "auto",
) -> None:
    """Reproduce the paper: its network, recipe and split (DATA/aydin2022); write the report of the run."""
    from models.training.paper import PaperConfig, summarise, train, write_report

    settings = PaperConfig(**_settings(config, seed=seed, variant=variant, epochs=epochs, bfloat16=bfloat16))
    folder = out or HERE / "runs" / f"paper-{settings.variant}-{settings.seed}"
    write_report(train(settings, data / "aydin2022", folder, device), HERE / "reports")
    summarise(HERE / "reports")


@cli.command()
def fast(
    data: Data,
    steps: Annotated[int | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option(help="weights, split and crops")] = None,
    config: Annotated[Path, typer.Option()] = HERE / "configs" / "fast.toml",
    teacher: Annotated[
        list[Path] | None, typer.Option(help="finished run whose answers are part of the targets (several times)")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="run folder; an interrupted run goes on")] = None,
    device: Device = "auto",
) -> None:
    """Train a model on DATA/dsb2018: the live one, or another configuration of it."""
    from models.training.fast import FastConfig, train

    settings = FastConfig(**_settings(config, seed=seed, steps=steps))
    run = out or HERE / "runs" / f"{config.stem}-{settings.seed}"
    train(settings, data / "dsb2018", run, device, teacher or ())


@cli.command()
def publish(
    run: Annotated[Path, typer.Argument(help="run folder of `fast` or `paper`")],
    data: Data,
    name: Annotated[str, typer.Option(help="fast, or paper for a run of `paper`")] = "fast",
    version: Annotated[str, typer.Option()] = "1",
    views: Annotated[int, typer.Option(help="mirror images averaged by the app: 1, 2 or 4")] = 1,
    target: Annotated[Path, typer.Option(help="folder for the model and its card")] = HERE.parent,
) -> None:
    """Export a run to ONNX, choose its thresholds on validation images, write its card and report."""
    from models.training.publish import copy_log, publish_fast, publish_paper

    if name == "paper":
        publish_paper(run, target, HERE / "reports", version)
        return
    publish_fast(run, data / "dsb2018", target, name, version, views)
    copy_log(run, HERE / "reports", name)


@cli.command()
def evaluate(
    data: Data,
    models: Annotated[Path, typer.Option(help="folder of the cards")] = HERE.parent,
    out: Annotated[Path | None, typer.Option(help="writes OUT.md and OUT.json")] = None,
    write_cards: Annotated[bool, typer.Option(help="put the scores into the cards")] = False,
) -> None:
    """Score every model and Otsu + watershed on DATA/dsb2018_stage1_test, never trained on."""
    from app.inference.model_card import find_models
    from models.training.compare import card_scores, compare
    from models.training.export import write_card

    folder = data / "dsb2018_stage1_test"
    results = compare(models, folder, out)
    if write_cards:
        for name, path in find_models(models).items():
            card = tomllib.loads(path.read_text(encoding="utf-8"))
            card["scores"] = card_scores(results, name, folder.name) | {
                k: v for k, v in card["scores"].items() if not k.startswith(folder.name)
            }
            write_card(path, card)


@cli.command("reliability")
def plot_reliability(
    data: Data,
    models: Annotated[Path, typer.Option(help="folder of the cards")] = HERE.parent,
    out: Annotated[Path, typer.Option(help="the SVG file")] = HERE / "reports" / "reliability.svg",
) -> None:
    """Draw how reliable the nucleus scores are on DATA/dsb2018_stage1_test."""
    from app.inference.model_card import find_models, read_card
    from models.training.data import read_folder
    from models.training.reliability import draw, reliability

    items = read_folder(data / "dsb2018_stage1_test")
    cards = {name: path for name, path in find_models(models).items() if read_card(path).score is not None}
    curves = {name: reliability(path, items) for name, path in cards.items()}
    draw(curves, out)
    for name, curve in curves.items():
        typer.echo(f"{name}: expected calibration error {curve.error:.3f} over {curve.number.sum()} nuclei")


@cli.command()
def accurate(
    data: Data,
    views: Annotated[int, typer.Option(help="mirror images at each scale: 1, 2 or 4")] = 2,
    diameters: Annotated[
        tuple[float, float, float], typer.Option(help="of a typical nucleus at each scale, pixels")
    ] = (
        30.0,
        22.0,
        16.0,
    ),
    models: Annotated[Path, typer.Option(help="folder of the cards")] = HERE.parent,
) -> None:
    """Make ``accurate`` from ``fast``: the same network, shown every image at three scales and mirrored."""
    from models.training.publish import publish_accurate

    publish_accurate(models / "fast.toml", data / "dsb2018", views, diameters)


@cli.command("calibrate")
def calibrate_again(
    data: Data,
    name: Annotated[str, typer.Option(help="a model in `models`")] = "fast",
    models: Annotated[Path, typer.Option(help="folder of the cards")] = HERE.parent,
) -> None:
    """Choose decoding, score and interval of an exported model anew on the internal validation images."""
    from models.training.publish import recalibrate

    recalibrate(models / f"{name}.toml", data / "dsb2018")


@cli.command()
def quantise(
    data: Data,
    name: Annotated[str, typer.Option(help="a model in `models`")] = "fast",
    models: Annotated[Path, typer.Option(help="folder of the cards")] = HERE.parent,
) -> None:
    """Make the 8-bit variant of a model, which the app uses live where it is faster and finds the same nuclei."""
    from models.training.quantise import quantise as make

    typer.echo(f"{make(models / f'{name}.toml', data / 'dsb2018')} written")


@cli.command("prepare-bbbc038")
def prepare_bbbc038(
    source: Annotated[Path, typer.Argument(help="unpacked stage1_train: <id>/images and <id>/masks")],
    target: Annotated[Path, typer.Argument(help="receives images/*.png and labels/*.png")],
    everything: Annotated[bool, typer.Option("--all", help="also the images that BBBC039 shares")] = False,
) -> None:
    """Turn the public BBBC038 download into the form that `fast` reads."""
    from models.training.prepare import TRAINING_LIST, prepare

    names = None if everything else set(TRAINING_LIST.read_text(encoding="utf-8").split())
    images, nuclei = prepare(source, target, names)
    typer.echo(f"{images} images with {nuclei} nuclei written to {target}")


if __name__ == "__main__":
    cli()
