"""Where the workshop reads its data and keeps its intermediate files, and which pictures may be trained on."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
DATA = PROJECT.parent / "shared" / "data"
WORK = PROJECT / "work"
ASSETS = PROJECT / "addon_assets"
DOUBTED = PROJECT / "training" / "doubted_labels.txt"

# People 120 to 173 of the London set are for validation: none of their pictures is trained on.
LONDON_VALIDATION_FROM = 120


def london_person(path):
    """The person's number of a London picture (`NNN_03.jpg`)."""
    return int(path.stem.split("_")[0])


def london_pictures(folder, validation):
    """Sorted pictures of `london_neutral` or `london_smiling`, of the training or the validation people."""
    return [
        path
        for path in sorted((DATA / "faces" / folder).glob("*.jpg"))
        if (london_person(path) >= LONDON_VALIDATION_FROM) == validation
    ]


# One synthetic portrait in twelve is held back, to validate on the distribution that is trained on.
HELD_BACK_EVERY = 12


def synthetic_portraits(validation=False):
    """Sorted generated portraits (`t2i`, `sfhq`), those for training or those held back."""
    pictures = sorted((DATA / "faces" / "t2i").glob("*.*")) + sorted((DATA / "faces" / "sfhq").glob("*.*"))
    return [path for i, path in enumerate(pictures) if (i % HELD_BACK_EVERY == 0) == validation]


def training_portraits():
    """Every picture that networks and statistics may learn from."""
    return (
        synthetic_portraits()
        + london_pictures("london_neutral", validation=False)
        + london_pictures("london_smiling", validation=False)
    )


def well_labelled(validation=False):
    """Names, relative to the data folder, of the portraits to compose pictures from: those for training or the
    synthetic ones held back, without the labels that `training.doubt_labels` found wrong."""
    pictures = synthetic_portraits(True) if validation else training_portraits()
    return {str(path.relative_to(DATA)) for path in pictures} - set(DOUBTED.read_text().split())


def press_portraits():
    """Real press portraits: validation only."""
    return sorted((DATA / "faces" / "portraits").glob("*.jpg"))
