"""Drawing sentences that have nothing to do with a concept."""

from introspect.protocols.scene import Asked, Scene


def sentence_for(scene: Scene, asked: Asked) -> str:
    """Return the sentence of a concept and sample: the same in every arm, cell, wording and task."""
    return sentences_for(scene, asked, 1)[0]


def sentences_for(scene: Scene, asked: Asked, n: int) -> list[str]:
    """Return ``n`` different sentences for a concept and sample, none of them near the concept."""
    texts = scene.free_of(scene.texts("sentences"), asked.concept)
    rng = scene.rng("sentences", asked.concept, asked.sample)
    return rng.sample(texts, n) if n <= len(texts) else [rng.choice(texts) for _ in range(n)]
