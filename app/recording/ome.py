"""OME-XML for what dapiscope writes, and what it reads back from it.

The frame of the document is made with ome-types. Planes are added as text: a pydantic object a plane costs 0.1 ms,
20 s for an hour of recording. Whatever is unknown is left out, never made up. What OME has no place for (light as
confirmed, frame numbers, settings, model, losses) goes into one map annotation with JSON values.
"""

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from app.frame import BITS, Light
from app.images import OME_SIZES_UM, UM_PER_UNIT, is_square
from app.recording.journal import PlaneRecord
from app.recording.metadata import RunMetadata

NAMESPACE = "dapiscope.recording"
_SECONDS_PER_UNIT = {
    "ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip

_UNPRINTABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_COLUMNS: Mapping[str, tuple[type, ...]] = {
    "index": (int,),
    "exposure_end_s": (int, float),
    "unix_time_s": (int, float),
    "exposure_ms": (int, float, type(None)),
    "gain_db": (int, float, type(None)),
    "name": (str,),
    "source": (str,),
    "truth_count": (int, type(None)),
    "flat_field": (str,),
}
"""Per-plane values of the map annotation, one JSON list each; a value all planes share is stored once."""


@dataclass(frozen=True, slots=True)
class PlaneInfo:
    """What a file says of one plane; None and defaults where it says nothing."""

    index: int | None = None
    exposure_ms: float | None = None
    gain_db: float | None = None
    exposure_end_s: float | None = None
    unix_time_s: float | None = None
    pixel_size_um: float | None = None
    pixel_format: str | None = None
    light: Light = field(default_factory=lambda: Light(reason="the file does not say"))
    name: str = ""
    source: str = ""
    truth_count: int | None = None
    flat_field: str = ""
    place: tuple[int, int] | None = None
    """(t, c) in its Image."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Planes of one size and kind: one OME Image. `planes` are pairs of page number and record."""

    planes: list[tuple[int, PlaneRecord]]

    @property
    def first(self) -> PlaneRecord:
        return self.planes[0][1]

    def channels(self) -> int:
        return max(0 if record.place is None else record.place[1] for _, record in self.planes) + 1

    def times(self) -> int:
        return max(position[0] for position in self.positions()) + 1

    def positions(self) -> list[tuple[int, int]]:
        """(t, c) of each plane: as planned, else one after the other."""
        return [record.place or (number, 0) for number, (_, record) in enumerate(self.planes)]


def build_ome(
    records: Sequence[PlaneRecord], meta: RunMetadata, notes: Mapping[str, Any], title: str, *, pages: bool = True
) -> str:
    """Return the OME-XML of a file with one page a record.

    Parameters
    ----------
    records : sequence of PlaneRecord
        At least one, in page order. Different sizes become different Images.
    meta : RunMetadata
    notes : mapping
        JSON-able; whatever else belongs with the data, e.g. ``{"losses": …, "dose": …}``.
    title : str
        Name of the Image.
    pages : bool
        False where the pixels are no pages of a TIFF file but lie beside the document (``MetadataOnly``).
    """
    from ome_types import OME, model, to_xml

    meta = replace(
        meta,
        sample=_printable(meta.sample),
        operator=_printable(meta.operator),
        camera=_printable(meta.camera),
        light=_printable(meta.light),
        software=_printable(meta.software),
    )
    groups = _group(records)
    moments = [record.unix_time_s for record in records]
    start = min(moments) if all(moments) else None
    instrument = _instrument(meta)
    # The settings are those of the start: where frames of another size follow, nobody knows which had them.
    binning = _binning(meta) if len(groups) == 1 else None
    annotation = model.MapAnnotation(id="Annotation:0", namespace=NAMESPACE, value=_map(records, meta, notes))
    experimenters = [model.Experimenter(id="Experimenter:0", user_name=meta.operator)] if meta.operator else []
    document = OME(
        creator=meta.software,
        experimenters=experimenters,
        instruments=[instrument] if instrument else [],
        images=[_image(n, group, meta, title, start, instrument, binning) for n, group in enumerate(groups)],
        structured_annotations=model.StructuredAnnotations(map_annotations=[annotation]),
    )
    xml = to_xml(document, indent=0)
    parts = xml.split("</Pixels>")
    if len(parts) != len(groups) + 1:
        raise ValueError("the document does not have one Pixels element an image")
    filled = [part + _planes_xml(group, start, pages) + "</Pixels>" for part, group in zip(parts, groups, strict=False)]
    return '<?xml version="1.0" encoding="UTF-8"?>' + "".join(filled) + parts[-1]


def _group(records: Sequence[PlaneRecord]) -> list[_Group]:
    groups: dict[tuple[Any, ...], _Group] = {}
    for page, record in enumerate(records):
        key = (record.height, record.width, record.pixel_format, record.pixel_size_um)
        groups.setdefault(key, _Group([])).planes.append((page, record))
    return list(groups.values())


def _instrument(meta: RunMetadata) -> Any:
    from ome_types import model

    known = meta.magnification is not None or meta.numerical_aperture is not None
    objective = model.Objective(
        id="Objective:0", nominal_magnification=meta.magnification, lens_na=meta.numerical_aperture
    )
    detector = model.Detector(id="Detector:0", model=meta.camera, type=model.Detector_Type.CMOS)
    diode = model.LightEmittingDiode(id="LightSource:0", model=meta.light)
    if not (known or meta.camera or meta.light):
        return None
    return model.Instrument(
        id="Instrument:0",
        detectors=[detector] if meta.camera else [],
        objectives=[objective] if known else [],
        light_emitting_diodes=[diode] if meta.light else [],
    )


def _binning(meta: RunMetadata) -> Any:
    """Return the binning as OME has it; None where it is not known."""
    from ome_types import model

    camera = meta.settings.get("camera")
    factor = camera.get("binning") if isinstance(camera, Mapping) else None
    if not isinstance(factor, int):
        return None
    known = {binning.value: binning for binning in model.Binning}
    return known.get(f"{factor}x{factor}", model.Binning.OTHER)


def _image(
    number: int, group: _Group, meta: RunMetadata, title: str, start: float | None, instrument: Any, binning: Any
) -> Any:
    from ome_types import model

    first = group.first
    pixels = model.Pixels(
        id=f"Pixels:{number}",
        dimension_order=model.Pixels_DimensionOrder.XYCZT,
        type=model.PixelType.UINT8 if first.item_bytes == 1 else model.PixelType.UINT16,
        significant_bits=BITS[first.pixel_format],
        big_endian=False,
        size_x=first.width,
        size_y=first.height,
        size_z=1,
        size_c=group.channels(),
        size_t=group.times(),
        physical_size_x=first.pixel_size_um,
        physical_size_y=first.pixel_size_um,
        channels=[_channel(number, c, group, meta, binning) for c in range(group.channels())],
    )
    with_objective = instrument is not None and bool(instrument.objectives)
    return model.Image(
        id=f"Image:{number}",
        name=_printable(title),
        description=f"Sample: {meta.sample}" if meta.sample else None,
        acquisition_date=datetime.fromtimestamp(start, UTC) if start is not None else None,
        pixels=pixels,
        annotation_refs=[model.AnnotationRef(id="Annotation:0")],
        experimenter_ref=model.ExperimenterRef(id="Experimenter:0") if meta.operator else None,
        instrument_ref=model.InstrumentRef(id="Instrument:0") if instrument is not None else None,
        objective_settings=model.ObjectiveSettings(id="Objective:0") if with_objective else None,
    )


def _channel(number: int, c: int, group: _Group, meta: RunMetadata, binning: Any) -> Any:
    """Describe channel `c` by the light its planes were *confirmed* to have, and by no other."""
    from ome_types import model

    records = [r for (_, r), place in zip(group.planes, group.positions(), strict=True) if place[1] == c]
    confirmed = [r.light for r in records if r.light.confirmed]
    names = sorted({light.channel or "dark" for light in confirmed})
    share = "" if len(confirmed) == len(records) else f" (confirmed for {len(confirmed)} of {len(records)} planes)"
    gains = {r.gain_db for r in records}
    channel = model.Channel(
        id=f"Channel:{number}:{c}",
        samples_per_pixel=1,
        name=_printable(" + ".join(names) + share) if names else None,
        detector_settings=model.DetectorSettings(
            id="Detector:0", gain=gains.pop() if len(gains) == 1 else None, binning=binning
        )
        if meta.camera
        else None,
    )
    settings = {known.name: known for known in meta.channels}.get(names[0]) if len(names) == 1 else None
    if settings is not None and len(confirmed) == len(records):
        channel.excitation_wavelength = settings.wavelength_nm
        channel.emission_wavelength = settings.emission_nm
        channel.color = model.Color(settings.color)
        channel.fluor = settings.stain or None
        if meta.light:
            levels = {light.intensity for light in confirmed}
            level = levels.pop() if len(levels) == 1 else None
            channel.light_source_settings = model.LightSourceSettings(
                id="LightSource:0",
                wavelength=settings.wavelength_nm,
                attenuation=round(1 - level, 6) if level is not None and 0 <= level <= 1 else None,
            )
    return channel


def _planes_xml(group: _Group, start: float | None, in_pages: bool) -> str:
    """Return the TiffData (or MetadataOnly) and Plane elements, in the schema's order."""
    blocks: list[str] = []
    planes: list[str] = []
    for (page, record), (t, c) in zip(group.planes, group.positions(), strict=True):
        blocks.append(f'<TiffData FirstT="{t}" FirstC="{c}" FirstZ="0" IFD="{page}" PlaneCount="1"/>')
        exposure = "" if record.exposure_ms is None else f' ExposureTime="{record.exposure_ms / 1e3:.9g}"'
        delta = "" if start is None else f' DeltaT="{record.unix_time_s - start:.6f}"'
        planes.append(f'<Plane TheZ="0" TheT="{t}" TheC="{c}"{delta}{exposure}/>')
    pages = [page for page, _ in group.planes]
    in_time = all(record.place is None for _, record in group.planes)
    if in_time and pages == list(range(pages[0], pages[0] + len(pages))):
        blocks = [f'<TiffData IFD="{pages[0]}" PlaneCount="{len(pages)}"/>']
    return "".join(blocks if in_pages else ["<MetadataOnly/>"]) + "".join(planes)


def _map(records: Sequence[PlaneRecord], meta: RunMetadata, notes: Mapping[str, Any]) -> Any:
    from ome_types import model

    frames: dict[str, Any] = {}
    for column in _COLUMNS:
        values = [getattr(record, column) for record in records]
        frames[column] = {"all": values[0]} if values.count(values[0]) == len(values) else values
    lights: list[list[Any]] = []
    for number, record in enumerate(records):
        light = [record.light.channel, record.light.intensity, record.light.confirmed, record.light.reason]
        if not lights or lights[-1][1:] != light:
            lights.append([number, *light])
    entries = meta.to_entries()
    entries["frames"] = _json(frames)
    entries["light"] = _json(lights)
    entries |= {key: value if isinstance(value, str) else _json(value) for key, value in notes.items()}
    return model.Map(ms=[model.Map.M(k=key, value=_printable(value)) for key, value in entries.items()])


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def _printable(text: str) -> str:
    """Return `text` without the characters that XML cannot hold."""
    return _UNPRINTABLE.sub("", text)


def read_map(xml: str) -> dict[str, str]:
    """Return the entries of dapiscope's map annotation; empty for files of others."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return {}
    for annotation in _named(root, "MapAnnotation"):
        if annotation.get("Namespace") == NAMESPACE:
            return {entry.get("K", ""): entry.text or "" for entry in _named(annotation, "M")}
    return {}


def read_planes(xml: str, pages: int) -> list[PlaneInfo]:
    """Return what OME-XML says of each page of a file, dapiscope's or another's.

    Nothing in the text can make this raise or claim memory: at most `pages` entries come back, and what cannot be
    understood is as if it were not there.
    """
    infos = [PlaneInfo() for _ in range(pages)]
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return infos
    for image in _named(root, "Image"):
        for pixels in _named(image, "Pixels"):
            _read_pixels(image, pixels, infos, root.get("UUID"))
    entries = read_map(xml)
    return _own_planes(entries, infos) if "frames" in entries else infos


def _named(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [child for child in element.iter() if child.tag.rsplit("}", 1)[-1] == name]


def _number(element: ElementTree.Element, key: str) -> float | None:
    try:
        value = float(element.get(key, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(element: ElementTree.Element, key: str, default: int = 0) -> int:
    value = _number(element, key)
    return default if value is None or abs(value) > 1e9 else int(value)


def _read_pixels(
    image: ElementTree.Element, pixels: ElementTree.Element, infos: list[PlaneInfo], file_id: str | None
) -> None:
    width_um, height_um = (_side_um(pixels, axis) for axis in "XY")
    size_um = width_um if width_um and is_square(width_um, height_um or width_um) else None
    bits = f"Mono{_whole(pixels, 'SignificantBits')}"
    kind = bits if bits in BITS else {"uint8": "Mono8"}.get(pixels.get("Type", ""))
    channels = [channel.get("Name") for channel in _named(pixels, "Channel")]
    times = {}
    for plane in _named(pixels, "Plane"):
        place = (_whole(plane, "TheZ"), _whole(plane, "TheC"), _whole(plane, "TheT"))
        exposure_s, delta_s = _seconds(plane, "ExposureTime"), _seconds(plane, "DeltaT")
        times[place] = (None if exposure_s is None else exposure_s * 1e3, delta_s)
    start = _date(image)

    def moment(delta_s: float | None) -> float | None:
        if start is None or delta_s is None or not _is_moment(start + delta_s):
            return None
        return start + delta_s

    for page, place in _pages_of(pixels, len(infos), file_id):
        exposure_ms, delta_s = times.get(place, (None, None))
        name = channels[place[1]] if place[1] < len(channels) else None
        infos[page] = PlaneInfo(
            exposure_ms=exposure_ms,
            exposure_end_s=delta_s,
            unix_time_s=moment(delta_s),
            pixel_size_um=size_um,
            pixel_format=kind,
            place=(place[2], place[1]),
            light=Light(name, 0.0, False, "the file names it, nothing confirms it") if name else PlaneInfo().light,
        )


def _side_um(pixels: ElementTree.Element, axis: str) -> float | None:
    size = _number(pixels, f"PhysicalSize{axis}")
    factor = UM_PER_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    side_um = size * factor if size and factor else 0.0
    return side_um if OME_SIZES_UM[0] <= side_um <= OME_SIZES_UM[1] else None


def _seconds(plane: ElementTree.Element, key: str) -> float | None:
    value, factor = _number(plane, key), _SECONDS_PER_UNIT.get(plane.get(f"{key}Unit", "s"))
    return None if value is None or factor is None else value * factor


def _is_moment(unix_s: float) -> bool:
    """Tell whether a calendar has it, from 1970 to the end of 9999."""
    return 0 <= unix_s < 253_402_300_800


def _date(image: ElementTree.Element) -> float | None:
    for element in _named(image, "AcquisitionDate"):
        try:
            moment = datetime.fromisoformat((element.text or "").strip())
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def _pages_of(pixels: ElementTree.Element, pages: int, file_id: str | None) -> list[tuple[int, tuple[int, int, int]]]:
    """Return (page, (z, c, t)) for the planes of one Pixels element that are in this file.

    A set of several files describes all of them in each: a block that names another file's UUID is not of this one.
    """
    order = pixels.get("DimensionOrder", "XYCZT")[2:]
    sizes = {axis: max(1, _whole(pixels, f"Size{axis}", 1)) for axis in "ZCT"}
    # A page in colours holds several of what OME counts as channels.
    samples = max([1, *(_whole(channel, "SamplesPerPixel", 1) for channel in _named(pixels, "Channel"))])
    sizes["C"] = max(1, sizes["C"] // samples)
    if sorted(order) != ["C", "T", "Z"]:
        order = "CZT"
    found: list[tuple[int, tuple[int, int, int]]] = []
    for block in _named(pixels, "TiffData"):
        owner = [(element.text or "").strip() for element in _named(block, "UUID")]
        if file_id is not None and owner and owner[0] != file_id:
            continue
        first = _whole(block, "IFD")
        whole = block.get("PlaneCount") is None and block.get("IFD") is None
        count = pages if whole else _whole(block, "PlaneCount", 1)
        at = {axis: _whole(block, f"First{axis}") for axis in "ZCT"}
        run = at[order[0]] + sizes[order[0]] * (at[order[1]] + sizes[order[1]] * at[order[2]])
        for step in range(max(0, min(count, pages - first))):
            rest, place = run + step, {}
            for axis in order:
                rest, place[axis] = divmod(rest, sizes[axis])
            if first + step >= 0 and rest == 0:
                found.append((first + step, (place["Z"], place["C"], place["T"])))
    return found


def _own_planes(entries: Mapping[str, str], infos: list[PlaneInfo]) -> list[PlaneInfo]:
    """Return `infos` with what dapiscope's own annotation says; as they were where that cannot be read."""
    try:
        frames = json.loads(entries["frames"])
        frames.setdefault("flat_field", {"all": ""})  # earlier files
        columns = {name: _column(frames[name], len(infos), kinds) for name, kinds in _COLUMNS.items()}
        if not all(map(_is_moment, columns["unix_time_s"])):
            raise ValueError("a moment that no calendar has")
        runs = json.loads(entries.get("light", "[]"))
        lights = [Light(reason="the file does not say")] * len(infos)
        for number, (start, channel, intensity, confirmed, reason) in enumerate(runs):
            stop = runs[number + 1][0] if number + 1 < len(runs) else len(infos)
            if not isinstance(channel, str | None) or not math.isfinite(intensity):
                raise ValueError("a light of another kind")
            light = Light(channel, float(intensity), confirmed is True, str(reason))
            lights[start:stop] = [light] * (min(stop, len(infos)) - start)
        if len(lights) != len(infos):
            return infos
        return [
            PlaneInfo(
                pixel_size_um=info.pixel_size_um,
                pixel_format=info.pixel_format,
                light=lights[number],
                place=info.place,
                **{name: column[number] for name, column in columns.items()},
            )
            for number, info in enumerate(infos)
        ]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return infos


def _column(stored: Any, pages: int, kinds: tuple[type, ...]) -> list[Any]:
    values = [stored["all"]] * pages if isinstance(stored, dict) else list(stored)
    if len(values) != pages or not all(type(value) in kinds for value in values):
        raise ValueError("a column of another length or kind")
    if not all(math.isfinite(value) for value in values if type(value) is float):
        raise ValueError("a number that is none")
    return values
