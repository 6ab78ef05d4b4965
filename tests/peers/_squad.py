"""The evaluation scripts of SQuAD 1.1 and 2.0, from their papers and definitions."""
import collections
import re
import string

def squad_normal(s):
    s = "".join(c for c in s.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())


def squad_f1(answer, target):
    a, t = squad_normal(answer).split(), squad_normal(target).split()
    if not a or not t:
        return float(a == t)
    same = sum((collections.Counter(a) & collections.Counter(t)).values())
    if not same:
        return 0.0
    precision, recall = same / len(a), same / len(t)
    return 2 * precision * recall / (precision + recall)


def squad_best(samples, values):
    total = sum(1 for t, _, _ in samples if not t)
    best = total
    for i in sorted(range(len(samples)), key=lambda i: samples[i][2]):
        targets, answer, _ = samples[i]
        total += values[i] if targets else -1 if answer else 0
        best = max(best, total)
    return 100.0 * best / len(samples)


def squad_v2(samples):
    """(targets, answer, probability of no answer) of each question → the official script's scores."""
    exact, f1 = [], []
    for targets, answer, _ in samples:
        kept = [t for t in targets if squad_normal(t)] or [""]
        exact.append(max(float(squad_normal(answer) == squad_normal(t)) for t in kept))
        f1.append(max(squad_f1(answer, t) for t in kept))
    scores = {}
    for name, values in (("exact", exact), ("f1", f1)):
        having = [v for v, s in zip(values, samples) if s[0]]
        lacking = [v for v, s in zip(values, samples) if not s[0]]
        scores |= {name: 100.0 * sum(values) / len(values), f"best_{name}": squad_best(samples, values)}
        if having:
            scores[f"HasAns_{name}"] = 100.0 * sum(having) / len(having)
        if lacking:
            scores[f"NoAns_{name}"] = 100.0 * sum(lacking) / len(lacking)
    return scores
