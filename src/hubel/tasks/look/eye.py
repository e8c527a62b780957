"""`hubel.look`: opens anything that holds a network, and offers the instruments to look inside it.

Images are files' paths, PIL images, or arrays, uint8, h x w x c. Data sets are whatever
`hubel.data.sources.open_data` opens. Layers and units are texts: `conv2` is a layer, `conv2[3]` its map 3,
`conv2[3,5,7]` the unit of that map at row 5, column 7, counted from 0. Where an argument takes several names,
one text stands for a list of one. `progress` is called with the name of a task, the part of it
that is done, and the whole. Every instrument raises UsageError for a name or value that does not exist, and
DataError for images that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from hubel.errors import UsageError
from hubel.tasks.look.specimen import Bare, Lookable, Specimen, open_specimen

if TYPE_CHECKING:
    from hubel.data.image.objects import ImageLike
    from hubel.data.image.preprocess import Preprocessing
    from hubel.net.volume import VolumeLike
    from hubel.tasks.look.finding import Finding
    from hubel.tasks.look.images import Data, Progress

Names: TypeAlias = str | Sequence[str] | None
"""One name, several, or none."""


def look(
    model: Lookable,
    volume: VolumeLike | None = None,
    *,
    classes: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    output: str | None = None,
    allow_code: bool = False,
    force: bool = False,
) -> Eye:
    """Opens a network to look inside.

    `model` is a Model, a run or its folder, a model's file, the name of a pretrained network, a network made
    by `hubel.build`, or any torch module with its input `volume`, (height, width, depth). `allow_code` and
    `force` are as for `hubel.load`.

    A module knows neither classes nor preprocessing. Its `classes` are the names of its scores, in order, by
    default their numbers. Its `preprocessing` is by default `Preprocessing.of(volume)`: an image is scaled
    and cropped to the volume's size, with values from 0 to 1 and no mean subtracted. Of a module that returns
    several results, `output` is the key or number of its scores; by default they are the first, with a
    warning. Instruments run on the CPU; a network on a GPU is copied.

    Raises ModelError: a model that cannot be read. Raises UsageError: nothing to look inside, a module
    without its volume, or arguments that do not fit. Raises SizeError, NetworkError: a module that does not
    run on the volume.
    """
    bare = Bare(volume, classes, preprocessing, output)
    return Eye(open_specimen(model, bare, allow_code=allow_code, force=force))


@dataclass(frozen=True, slots=True)
class Eye:
    """The instruments for one network, a method each.

    Each method has the name, the arguments and the defaults of the command `hubel look MODEL INSTRUMENT`.
    """

    specimen: Specimen

    def __repr__(self) -> str:
        subject = self.specimen.subject
        layers = f"{len(subject.steps)} layers, {subject.volume} to {subject.last.output}"
        return f"<Eye on {self.specimen.where}: {layers}>"

    def filters(
        self,
        layer: str | None = None,
        *,
        data: Data | None = None,
        images: int = 1000,
        maps: int = 16,
        split: str = "auto",
        alike: float = 0.95,
        progress: Progress | None = None,
    ) -> Finding:
        """The filters of a layer, by default of the first convolution; with `data` what drives them.

        Arrays: `weights`, filters x maps x h x w; `sees`, `norm`, `mean`, `std`, `energy`, `sparsity`.
        """
        from hubel.tasks.look.filters import look_at_filters
        from hubel.tasks.look.images import Source

        source = None if data is None else Source(data, split, images)
        return look_at_filters(self.specimen, layer, source, maps=maps, alike=alike, progress=progress)

    def maps(self, image: ImageLike, *, layers: Names = None, columns: int = 24) -> Finding:
        """The maps of an image: its forward pass or, with `layers`, those layers' maps; "all" is all of them.

        Arrays: each layer's maps by its name, depth x height x width; `scores`, `probabilities`.
        """
        from hubel.tasks.look.maps import look_at_maps

        return look_at_maps(self.specimen, image, layers, columns)

    def neuron(self, unit: str, image: ImageLike) -> Finding:
        """The arithmetic of one unit: its window, weights, products and sum.

        Arrays: `SOURCE.values`, `SOURCE.weights`, `SOURCE.products` for each source, float64.
        """
        from hubel.tasks.look.neuron import look_at_neuron

        return look_at_neuron(self.specimen, unit, image)

    def patches(
        self,
        data: Data,
        unit: Names = None,
        *,
        layer: Names = None,
        top: int = 9,
        maps: int | None = None,
        split: str = "auto",
        progress: Progress | None = None,
    ) -> Finding:
        """The patches of a data set that drive each map most, cut to exactly what its units see.

        Shown are the first `maps` of each layer; by default those driven most, a page of them in all.

        Arrays: each map's patches by its name, uint8, n x h x w x 3, the strongest first; `MAP.scores`.
        """
        from hubel.tasks.look.images import Source
        from hubel.tasks.look.patches import Wanted, look_at_patches

        wanted = Wanted(several(layer), several(unit), maps, top)
        return look_at_patches(self.specimen, Source(data, split), wanted, progress)

    def deconv(
        self,
        source: ImageLike | Data,
        unit: Names = None,
        *,
        layer: Names = None,
        rule: str | None = None,
        top: int = 9,
        maps: int | None = None,
        split: str = "auto",
        progress: Progress | None = None,
    ) -> Finding:
        """Units projected back to pixels: of one image by three rules, or beside the patches of a data set.

        Shown are `maps` of each layer; by default at most 12, and of a data set a page of them in all.

        Arrays: of an image `UNIT.RULE`, depth x height x width; of a data set those of `patches` and
        `MAP.projectionN`, depth x h x w, for the patch at place N.
        """
        from hubel.tasks.look.deconv import is_image, look_at_data, look_at_image
        from hubel.tasks.look.images import Source
        from hubel.tasks.look.patches import Wanted

        wanted = Wanted(several(layer), several(unit), maps, top, usual=12)
        if is_image(source):
            return look_at_image(self.specimen, source, wanted, rule)
        return look_at_data(self.specimen, Source(source, split), wanted, rule, progress)

    def synthesise(
        self,
        units: Names = None,
        *,
        label: Names = None,
        steps: int = 256,
        seed: int = 0,
        maps: int = 16,
        colours: Data | None = None,
        progress: Progress | None = None,
    ) -> Finding:
        """Images made to excite units, maps, a layer's first maps, or the classes named by `label`.

        Arrays: each unit's image by its name, uint8, h x w x depth; `UNIT.history`, one value per step.
        """
        from hubel.tasks.look.synthesise import Targets, synthesise_images

        targets = Targets(several(units), several(label), maps)
        return synthesise_images(
            self.specimen, targets, steps=steps, seed=seed, colours=colours, progress=progress
        )

    def attribution(
        self,
        image: ImageLike,
        *,
        method: str = "gradcam",
        label: str | None = None,
        layer: str | None = None,
        square: int | None = None,
        sanity: bool = False,
        progress: Progress | None = None,
    ) -> Finding:
        """What in an image speaks for a class, by default for the most probable one.

        Arrays: `map`, height x width; `cells`; of occlusion `rows`, `columns`, `scores`; with `sanity` the
        `correlations` of the map with those of networks with more and more layers randomised.
        """
        from hubel.tasks.look.attribution import Question, look_at_attribution

        question = Question.of(method, layer, square)
        return look_at_attribution(self.specimen, image, question, label, sanity=sanity, progress=progress)

    def embedding(
        self,
        data: Data,
        *,
        images: int = 1000,
        near: ImageLike | None = None,
        top: int = 10,
        method: str = "tsne",
        seed: int = 0,
        split: str = "auto",
        progress: Progress | None = None,
    ) -> Finding:
        """The images of a set in the plane by their features; with `near` the images most like that one.

        Arrays: `features`, `labels`, and `points`, n x 2; or `places` and `cosines` of the neighbours.
        """
        from hubel.tasks.look.embedding import embed, look_at_neighbours, look_at_plane
        from hubel.tasks.look.images import Source

        embedded = embed(self.specimen, Source(data, split, images), progress)
        if near is None:
            return look_at_plane(embedded, method, seed)
        return look_at_neighbours(self.specimen, embedded, near, top)

    def tuning(
        self,
        *,
        layer: Names = None,
        colour: str = "grey",
        contrast: float = 1.0,
        orientations: int = 24,
        frequencies: int = 8,
        phases: int = 8,
        progress: Progress | None = None,
    ) -> Finding:
        """How units respond to gratings: orientation, frequency, and whether they are simple or complex.

        Arrays: `LAYER.responses`, units x orientations x frequencies x phases; `LAYER.blank`, and the
        layer's `curves`, `preferred`, `selectivity`, `frequency` and `modulation`, a value per unit.
        """
        from hubel.instruments.tuning import Gratings
        from hubel.tasks.look.tuning import look_at_tuning

        gratings = Gratings.over(
            self.specimen.subject.volume,
            orientations=orientations,
            frequencies=frequencies,
            phases=phases,
            contrast=contrast,
            colour=colour,
        )
        return look_at_tuning(self.specimen, several(layer), gratings, progress)

    def topography(self, *, layer: Names = None, spot: int = 1, progress: Progress | None = None) -> Finding:
        """How positions in a map correspond to positions in the image: responses to a moving spot of light.

        Arrays: `LAYER.rows` and `LAYER.columns`, float32, positions of the spot x places of the map.
        """
        from hubel.tasks.look.topography import look_at_topography

        return look_at_topography(self.specimen, several(layer), spot, progress)

    def ablate(
        self,
        data: Data,
        *,
        layer: Names = None,
        whole: bool = False,
        to: str = "mean",
        images: int = 1000,
        split: str = "auto",
        progress: Progress | None = None,
    ) -> Finding:
        """Which classes lose recall when maps, or `whole` layers, are silenced one at a time.

        Arrays: `images` and `correct`, per class; `without` and `drops`, units x classes.
        """
        from hubel.tasks.look.ablate import Silence, look_at_ablation
        from hubel.tasks.look.images import Source

        silence = Silence(several(layer), whole, to)
        return look_at_ablation(self.specimen, Source(data, split, images), silence, progress)

    def compare(
        self,
        others: Lookable | Eye | Sequence[Lookable | Eye],
        data: Data,
        *,
        unit: Names = None,
        layer: Names = None,
        top: int = 1,
        maps: int = 12,
        states: int = 8,
        images: int = 1000,
        split: str = "auto",
        progress: Progress | None = None,
    ) -> Finding:
        """Networks compared by CKA, layer by layer; with `unit` maps followed through a network's states.

        The states are this network and `others` in order; a run's folder stands for the epochs it kept.
        Arrays: a matrix for each other network by its name, layers x layers; of states `MAP.scores.N` for
        the patches in state N, and `MAP.filters`, states x depth x h x w, where the layer reads pixels.
        """
        from hubel.tasks.look.images import Source

        source = Source(data, split, images)
        every = others if isinstance(others, list | tuple) else [cast("Lookable | Eye", others)]
        rest = [other.specimen if isinstance(other, Eye) else other for other in every]
        if unit and layer:
            raise UsageError("unit follows maps, layer compares layers; give only one")
        if unit:
            from hubel.tasks.look.ages import look_over_time, states_of
            from hubel.tasks.look.patches import Wanted

            wanted = Wanted(units=several(unit), maps=maps, top=top)
            return look_over_time(states_of([self.specimen, *rest], states), source, wanted, progress)
        if not rest:
            raise UsageError("name what to compare with, before the data: another model's file, for example")
        from hubel.tasks.look.compare import look_alike

        code, force = self.specimen.allow_code, self.specimen.force
        opened = [
            each if isinstance(each, Specimen) else open_specimen(each, allow_code=code, force=force)
            for each in rest
        ]
        return look_alike([self.specimen, *opened], source, several(layer), progress)

    def atlas(
        self,
        data: Data,
        *,
        out: str | Path | None = None,
        units: int = 64,
        classes: int = 10,
        top: int = 9,
        images: int = 50_000,
        split: str = "train",
        progress: Progress | None = None,
        on_message: Callable[[str], None] | None = None,
    ) -> Finding:
        """One page of all units: filters, patches, projections, tuning, classes.

        With `out` the page is written there; until it is, finished parts are kept in `OUT.parts`, and the
        same call resumes from them. `on_message` is called with a text when work resumes or starts anew.
        Arrays: `LAYER.means`, maps x classes, the mean over each class of a map's largest value.
        """
        from hubel.tasks.look.atlas import Limits, Watch, look_at_all
        from hubel.tasks.look.images import Source

        limits = Limits(units, classes, top)
        path = None if out is None else Path(out)
        watch = Watch(progress, on_message)
        return look_at_all(self.specimen, Source(data, split, images), limits, watch, path)


def several(names: Names) -> list[str]:
    """One name, several or none, as a list."""
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)
