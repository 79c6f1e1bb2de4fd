"""The benchmarks print what they must for datasets of the right layout with known errors, written here."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from synergy_blender import official
from synergy_blender.face import pose, raster
from training import benchmark, benchmark_points, benchmark_scans

YAWS = [5, -20, 45, -50, 70, -80]


def said(capsys):
    """The first column of a printed table by name."""
    lines = capsys.readouterr().out.splitlines()[1:]
    return {line[:18].strip(): float(line[18:].split()[0]) for line in lines if line[18:].split()[0] != "-"}


def crops_in(folder, name, rois):
    (folder / name).mkdir(parents=True)
    names = [f"image{k:05d}.jpg" for k in range(len(YAWS))]
    for k, file in enumerate(names):
        part = data.astronaut()[k : k + 120, 150 : 150 + 120]
        Image.fromarray(part).save(folder / name / file)
    (folder / f"{name}.list").write_text("\n".join(names) + "\n")
    stem = f"{name}.roi_box.npy" if "2000" in name else f"{name}_roi_box.npy"
    np.save(folder / stem, rois.astype(np.float32))


def found_by(model, rois):
    """Landmarks (N, 2, 68) that the authors' protocol gives for a network that always says 0."""
    whitened = np.zeros(62, np.float32)
    place = official.conventions.in_crop(model.landmarks(whitened), model.pose(whitened), "parity")
    return np.stack([official.conventions.in_picture(place, roi)[:, :2].T for roi in rois])


ROIS = np.array([[10.0 * k, 5.0, 10 * k + 200 + 20 * k, 205 + 20 * k] for k in range(len(YAWS))])
# wanted percent of error of each picture
WANTED = np.array([1.0, 2.0, 3.0, 5.0, 6.0, 10.0])


def shifted(points):
    """True points that the found ones are off from by WANTED: all in a direction of each picture's own."""
    sides = np.sqrt(np.ptp(points, axis=2).prod(1))
    turn = np.linspace(0, 5, len(points))
    return points + (WANTED / 100 * sides * np.stack([np.cos(turn), np.sin(turn)])).T[:, :, None]


def test_aflw2000(imported, tmp_path, capsys):
    crops_in(tmp_path, "AFLW2000-3D_crop", ROIS)
    found = found_by(official.load(), ROIS)
    deep = np.zeros((len(YAWS), 1, 68))
    (tmp_path / "eval").mkdir()
    np.save(tmp_path / "eval" / "AFLW2000-3D.pose.npy", np.array(YAWS, np.float32))
    np.save(tmp_path / "eval" / "AFLW2000-3D.pts68.npy", np.concatenate([shifted(found), deep], 1))
    np.save(tmp_path / "eval" / "AFLW2000-3D-Reannotated.pts68.npy", np.concatenate([found, deep], 1))
    yaw, pitch, roll = official.conventions.angles(official.load().pose(np.zeros((1, 62), np.float32)), "parity")[0]
    off = np.array([[1.0, 2.0, 3.0], [-3.0, 4.0, -1.0], [2.0, -6.0, 5.0], [2.0, 0.0, 3.0], [2.0, 3.0, 3.0]])
    np.save(tmp_path / "eval" / "ALFW2000-3D_pose_3ANG_excl.npy", [pitch, yaw, roll] + off)
    np.save(tmp_path / "eval" / "ALFW2000-3D_pose_3ANG_skip.npy", np.array([4]))
    words = [str(tmp_path), "--convention", "parity", "--figure", str(tmp_path / "cases.png")]
    assert benchmark.main(["aflw2000", *words]) == 0
    figures = said(capsys)
    bins = {"NME 0-30": 1.5, "NME 30-60": 4.0, "NME 60-90": 8.0, "NME mean of bins": 4.5}
    angles = {"pitch": 2.0, "yaw": 3.0, "roll": 3.0, "MAE": 8 / 3}
    assert figures == pytest.approx(bins | angles, abs=2e-3)
    assert Image.open(tmp_path / "cases.png").size == (1440, 480)
    assert benchmark.main(["aflw2000-reannotated", *words]) == 0
    assert said(capsys)["NME mean of bins"] == pytest.approx(0, abs=1e-3)
    assert benchmark.main(["aflw2000-reannotated", str(tmp_path)]) == 0
    # corrected: half a pixel of the crop less, half a pixel of the picture more, along both axes
    gap = np.sqrt(2) * (0.5 * (ROIS[:, 2] - ROIS[:, 0]) / 120 - 0.5) / np.sqrt(np.ptp(found, axis=2).prod(1))
    assert said(capsys)["NME mean of bins"] == pytest.approx(100 * gap.mean(), abs=0.01)


def test_aflw(imported, tmp_path, capsys):
    crops_in(tmp_path, "AFLW_GT_crop", ROIS)
    found = found_by(official.load(), ROIS)
    np.save(tmp_path / "AFLW_GT_crop_yaws.npy", np.array(YAWS, np.float32))
    np.save(tmp_path / "AFLW_GT_pts68.npy", found)
    marks = np.stack([found[:, :, list(group)].mean(2) for group in benchmark_points.AFLW_POINTS], 2)
    sides = np.sqrt(np.ptp(found, axis=2).prod(1))
    marks[:, 0] += (WANTED / 100 * sides)[:, None]
    marks[:, :, 3] += 1000  # what is not annotated does not count
    marks[:, :, 3] = -1
    np.save(tmp_path / "AFLW_GT_pts21.npy", marks)
    assert benchmark.main(["aflw", str(tmp_path), "--convention", "parity"]) == 0
    wanted = {"NME 0-30": 1.5, "NME 30-60": 4.0, "NME 60-90": 8.0, "NME mean of bins": 4.5}
    assert said(capsys) == pytest.approx(wanted, abs=2e-3)


def scan_of(model, rng, size, off):
    """Points on the neutral head, pushed in and out by `off` millimetres and moved somewhere, and its seven marks."""
    head = official.head_of(model)
    shape = 1000.0 * head.mean.astype(float)
    corners = shape[head.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    front = (normals[:, 2] > 0.2 * areas) & (corners.mean(1)[:, 2] > 0)
    chosen = rng.choice(np.flatnonzero(front), 20_000, p=areas[front] / areas[front].sum())
    weights = rng.dirichlet([1, 1, 1], len(chosen))
    points = np.einsum("nk,nkc->nc", weights, corners[chosen])
    points += off * np.sign(rng.normal(size=len(points)))[:, None] * normals[chosen] / areas[chosen, None]
    turn = pose.matrix(*size[1:])
    marks = head.landmarks(shape.astype(np.float32))[benchmark_scans.SEVEN]
    return size[0] * points @ turn.T + 30, size[0] * marks @ turn.T + 30


def test_now(imported, tmp_path, capsys):
    picture = tmp_path / "NoW_Dataset" / "iphone_pictures" / "person" / "selfie"
    picture.mkdir(parents=True)
    Image.fromarray(data.astronaut()).save(picture / "one.jpg", quality=95)
    (tmp_path / "imagepathsvalidation.txt").write_text("person/selfie/one.jpg\n")
    points, marks = scan_of(official.load(), np.random.default_rng(0), (1.1, 30, 10, 5), 0.3)
    for name in ("scans", "scans_lmks_onlypp"):
        (tmp_path / name / "person").mkdir(parents=True)
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points]
    (tmp_path / "scans" / "person" / "scan.obj").write_text("\n".join(lines))
    picked = "".join(f'<point x="{x}" y="{y}" z="{z}" name="0" active="1"/>' for x, y, z in marks)
    (tmp_path / "scans_lmks_onlypp" / "person" / "scan.pp").write_text(f"<PickedPoints>{picked}</PickedPoints>")
    assert benchmark.main(["now", str(tmp_path), "--figure", str(tmp_path / "cases.png")]) == 0
    figures = said(capsys)
    assert figures["median mm"] == pytest.approx(0.33, abs=0.02)  # the scan is 1.1 times as large
    assert figures["mean mm"] == pytest.approx(0.33, abs=0.04)
    assert (tmp_path / "cases.png").exists()


@pytest.mark.parametrize("marked", [True, False])
def test_florence(imported, tmp_path, capsys, marked):
    person = tmp_path / "subject_01"
    (person / "Model").mkdir(parents=True)
    Image.fromarray(data.astronaut()).save(person / "frame0001.jpg", quality=95)
    size = (1.05, 20, -10, 5) if marked else (1.0, 0, 0, 0)
    head = official.head_of(official.load())
    shape = 1000.0 * head.mean.astype(float)
    normals = raster.vertex_normals(shape, head.faces) * np.random.default_rng(0).choice([-0.3, 0.3], (len(shape), 1))
    marks = head.landmarks(shape.astype(np.float32))[benchmark_scans.SEVEN]
    points, marks = (size[0] * part @ pose.matrix(*size[1:]).T + 30 for part in (shape + normals, marks))
    (person / "Model" / "scan.obj").write_text("\n".join(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points))
    if marked:
        np.savetxt(person / "landmarks.txt", marks)
    assert benchmark.main(["florence", str(tmp_path)]) == 0
    right, left = head.landmarks(shape.astype(np.float32))[[36, 45]]
    assert said(capsys)["NME"] == pytest.approx(100 * 0.3 / np.linalg.norm(right - left), rel=0.05)


def test_what_is_missing_in_a_dataset_is_told(imported, tmp_path, capsys):
    for name in benchmark.PUBLISHED:
        assert benchmark.main([name, str(tmp_path)]) == 2
        assert benchmark.main([name, str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 10
