"""What the fit would find if the points were seen better: `python -m training.oracle [--count 300]`.

The true points of exact-truth validation crops, each off by some pixels by chance, are fitted with what is known of
heads and expressions in general: the rotation's error and how each judged expression correlates with the truth say how
exactly points must be seen.
"""

import argparse

import numpy as np

from synergy_blender.face import head_model, network, pose
from synergy_blender.face.fit import TOGETHER, View, fit
from training.bench import JUDGED, turn_between
from training.train import Crops

SIGMAS = (0.3, 0.7, 1.0, 1.5, 2.3)  # pixels
RIDGE, ROUNDS = 1e-4, 6


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=300)
    count = options.parse_args().count
    _, labels = Crops("validation").batch(np.arange(count))
    net, names = network.load(), head_model.load().expression_names
    mean, basis = net.points_mean[: network.POINTS], net.points_basis[:, : network.POINTS]
    identity, expression = labels["identity"].astype(float), labels["expression"].astype(float)
    usual, covariance = expression.mean(0), np.cov(expression.T) + RIDGE * np.eye(expression.shape[1])
    precision = np.eye(network.SHAPE)
    precision[identity.shape[1] :, identity.shape[1] :] = np.linalg.inv(covariance)
    for sigma in SIGMAS:
        rng, turned, found = np.random.default_rng(0), [], []
        for k in range(count):
            matrix = labels["pose"][k].astype(float)
            shape = mean + np.tensordot(np.concatenate([identity[k], expression[k]]), basis, 1)
            points = (shape @ matrix[:, :3].T + matrix[:, 3])[:, :2] + rng.normal(0, sigma, (len(mean), 2))
            errors = np.full(len(mean), sigma / np.sqrt(TOGETHER))  # these err each by itself
            view = View(points, errors, np.zeros(identity.shape[1]), usual, precision, matrix)
            one = fit(mean, basis, [view], ROUNDS)
            turned.append(turn_between(one.rotation[0], pose.decompose(matrix)[1]))
            found.append(one.expression[0])
        columns = {name: names.index(name) for name in JUDGED}
        alike = {n: np.corrcoef(np.array(found)[:, k], expression[:, k])[0, 1] for n, k in columns.items()}
        text = ", ".join(f"{name} {value:.2f}" for name, value in alike.items())
        print(f"points off by {sigma} px: rotation {np.mean(turned):.2f} degrees, {text}", flush=True)


if __name__ == "__main__":
    main()
