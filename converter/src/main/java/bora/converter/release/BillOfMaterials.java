package bora.converter.release;

import bora.converter.ToolVersion;
import bora.formats.Sha256;
import bora.formats.pack.Provenance;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.cyclonedx.Version;
import org.cyclonedx.exception.GeneratorException;
import org.cyclonedx.generators.json.BomJsonGenerator;
import org.cyclonedx.model.Ancestors;
import org.cyclonedx.model.Bom;
import org.cyclonedx.model.Component;
import org.cyclonedx.model.Hash;
import org.cyclonedx.model.License;
import org.cyclonedx.model.LicenseChoice;
import org.cyclonedx.model.Metadata;
import org.cyclonedx.model.Pedigree;
import org.cyclonedx.model.component.ModelCard;
import org.cyclonedx.model.component.data.ComponentData;
import org.cyclonedx.model.component.data.DatasetChoice;
import org.cyclonedx.model.component.modelCard.InputOutputParameter;
import org.cyclonedx.model.component.modelCard.ModelParameters;
import org.cyclonedx.model.component.modelCard.PerformanceMetric;
import org.cyclonedx.model.component.modelCard.QuantitativeAnalysis;
import org.cyclonedx.model.metadata.ToolInformation;

/**
 * The release as a CycloneDX machine-learning bill of materials, version 1.6, in JSON: a component
 * for every budget with its hashes, measured metrics and the checkpoint that it comes from.
 */
final class BillOfMaterials {
  private final String name;
  private final List<ReleasedPack> packs;
  private final Licence licence;
  private final ReleaseRequest.Origin origin;
  private final SourceDate date;

  BillOfMaterials(
      String name,
      List<ReleasedPack> packs,
      Licence licence,
      ReleaseRequest.Origin origin,
      SourceDate date) {
    this.name = name;
    this.packs = packs;
    this.licence = licence;
    this.origin = origin;
    this.date = date;
  }

  /**
   * @param sha256 of each file of the release by its name
   */
  byte[] write(Map<String, String> sha256) throws IOException {
    Bom bom = new Bom();
    bom.setSerialNumber(
        "urn:uuid:" + UUID.nameUUIDFromBytes(identity().getBytes(StandardCharsets.UTF_8)));
    bom.setMetadata(metadata());
    bom.setComponents(packs.stream().map(pack -> component(pack, sha256)).toList());
    try {
      return (new BomJsonGenerator(bom, Version.VERSION_16).toJsonString() + "\n")
          .getBytes(StandardCharsets.UTF_8);
    } catch (GeneratorException e) {
      throw new IOException("cannot write the bill of materials: " + e.getMessage(), e);
    }
  }

  /** The same for equal releases alone. */
  private String identity() {
    StringBuilder text = new StringBuilder(name);
    packs.forEach(pack -> text.append('\n').append(pack.stem()).append(' ').append(version(pack)));
    return text.toString();
  }

  /** The weights' hash tells one version of a quantized model from another. */
  private static String version(ReleasedPack pack) {
    return pack.pack().manifest().weightsSha256();
  }

  private Metadata metadata() {
    Metadata metadata = new Metadata();
    // A time is optional here, so without a stated one there is none.
    metadata.setTimestamp(date.stated().map(Date::from).orElse(null));
    Component bora = new Component();
    bora.setType(Component.Type.APPLICATION);
    bora.setName("bora");
    bora.setVersion(ToolVersion.current());
    ToolInformation tools = new ToolInformation();
    tools.setComponents(List.of(bora));
    metadata.setToolChoice(tools);
    Component release = new Component();
    release.setType(Component.Type.MACHINE_LEARNING_MODEL);
    release.setBomRef("release");
    release.setName(name);
    release.setVersion(Sha256.of(identity().getBytes(StandardCharsets.UTF_8)));
    release.setLicenses(licences());
    metadata.setComponent(release);
    return metadata;
  }

  private LicenseChoice licences() {
    if (licence.spdxId().isEmpty()) {
      return null;
    }
    License named = new License();
    named.setId(licence.spdxId().get());
    LicenseChoice choice = new LicenseChoice();
    choice.addLicense(named);
    return choice;
  }

  private Component component(ReleasedPack pack, Map<String, String> sha256) {
    Component component = new Component();
    component.setType(Component.Type.MACHINE_LEARNING_MODEL);
    component.setBomRef(pack.stem());
    component.setName(pack.stem());
    component.setVersion(version(pack));
    component.setLicenses(licences());
    List<String> files = pack.fileNames();
    if (files.size() == 1) {
      component.setHashes(hashes(sha256.get(files.getFirst())));
    } else {
      component.setComponents(
          files.stream()
              .map(file -> file(pack.stem() + "/" + file, file, sha256.get(file)))
              .toList());
    }
    component.setModelCard(modelCard(pack));
    component.setPedigree(pedigree(pack));
    return component;
  }

  private static Component file(String reference, String name, String sha256) {
    Component file = new Component();
    file.setType(Component.Type.FILE);
    file.setBomRef(reference);
    file.setName(name);
    file.setHashes(hashes(sha256));
    return file;
  }

  private static List<Hash> hashes(String sha256) {
    return List.of(new Hash(Hash.Algorithm.SHA_256, sha256));
  }

  private ModelCard modelCard(ReleasedPack pack) {
    ModelParameters parameters = new ModelParameters();
    parameters.setTask("text-generation");
    parameters.setArchitectureFamily("transformer");
    parameters.setModelArchitecture(pack.pack().config().architecture().id());
    parameters.setInputs(List.of(text()));
    parameters.setOutputs(List.of(text()));
    if (!origin.datasets().isEmpty()) {
      parameters.setDatasets(origin.datasets().stream().map(BillOfMaterials::dataset).toList());
    }
    ModelCard card = new ModelCard();
    card.setModelParameters(parameters);
    QuantitativeAnalysis analysis = new QuantitativeAnalysis();
    analysis.setPerformanceMetrics(metrics(pack));
    card.setQuantitativeAnalysis(analysis);
    return card;
  }

  private static InputOutputParameter text() {
    InputOutputParameter text = new InputOutputParameter();
    text.setFormat("text");
    return text;
  }

  private static DatasetChoice dataset(String name) {
    ComponentData data = new ComponentData();
    data.setType(ComponentData.ComponentDataType.DATASET);
    data.setName(name);
    data.setDescription("what the calibration's text is from");
    DatasetChoice choice = new DatasetChoice();
    choice.setComponentData(data);
    return choice;
  }

  /** What was measured, then what follows from the file alone. */
  private static List<PerformanceMetric> metrics(ReleasedPack pack) {
    List<PerformanceMetric> metrics = new ArrayList<>();
    pack.report()
        .ifPresent(
            report ->
                report
                    .metrics()
                    .forEach(
                        (id, value) ->
                            metrics.add(metric(id, String.valueOf(value), report.reference()))));
    metrics.add(metric("bytes", String.valueOf(pack.bytes()), null));
    metrics.add(metric("bitsPerWeight", String.valueOf(pack.bitsPerWeight()), null));
    return metrics;
  }

  private static PerformanceMetric metric(String type, String value, String slice) {
    PerformanceMetric metric = new PerformanceMetric();
    metric.setType(type);
    metric.setValue(value);
    metric.setSlice(slice);
    return metric;
  }

  private Pedigree pedigree(ReleasedPack pack) {
    Provenance provenance = pack.pack().manifest().provenance();
    Component checkpoint = new Component();
    checkpoint.setType(Component.Type.MACHINE_LEARNING_MODEL);
    String reference = pack.stem() + "/checkpoint";
    checkpoint.setBomRef(reference);
    checkpoint.setName(origin.baseModel().orElse(name));
    checkpoint.setVersion(provenance.checkpoint());
    checkpoint.setComponents(
        provenance.sources().stream()
            .map(source -> file(reference + "/" + source.name(), source.name(), source.sha256()))
            .toList());
    Ancestors ancestors = new Ancestors();
    ancestors.setComponents(List.of(checkpoint));
    Pedigree pedigree = new Pedigree();
    pedigree.setAncestors(ancestors);
    pedigree.setNotes(
        "quantized by bora "
            + provenance.toolVersion()
            + ", plan "
            + provenance.planName()
            + " (SHA-256 "
            + provenance.planSha256()
            + ")"
            + provenance
                .calibrationSha256()
                .map(hash -> ", calibration (SHA-256 " + hash + ")")
                .orElse(""));
    return pedigree;
  }
}
