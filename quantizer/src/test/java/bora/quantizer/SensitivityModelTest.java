package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.calibration.GroupSensitivity;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;

class SensitivityModelTest {
  private static final int EXPERTS = 4;
  private static final int SUPER = 2;
  private static final List<TensorRole> ROLES =
      List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN);

  private static final ModelConfig CONFIG =
      new ModelConfig(
          Architecture.MIXTRAL,
          8,
          4,
          6,
          1,
          2,
          1,
          2,
          EXPERTS,
          2,
          1e-5,
          10_000,
          OptionalInt.empty(),
          64,
          false,
          OptionalInt.empty(),
          List.of());

  private static TensorKey key(int expert, TensorRole role) {
    return TensorKey.ofExpert(0, expert, role);
  }

  /** Of a projection, and of an expert, as calibration measures them. */
  private static List<GroupSensitivity> groups(double[] ofExpert, double[][] losses) {
    List<GroupSensitivity> groups = new ArrayList<>();
    double all = 0;
    for (double divergence : ofExpert) {
      all += divergence;
    }
    for (int role = 0; role < ROLES.size(); role++) {
      SequencedMap<TensorKey, Double> members = new LinkedHashMap<>();
      for (int expert = 0; expert < EXPERTS; expert++) {
        members.put(key(expert, ROLES.get(role)), losses[role][expert]);
      }
      groups.add(new GroupSensitivity("role", all / ROLES.size(), members));
    }
    for (int expert = 0; expert < EXPERTS; expert++) {
      SequencedMap<TensorKey, Double> members = new LinkedHashMap<>();
      for (int role = 0; role < ROLES.size(); role++) {
        members.put(key(expert, ROLES.get(role)), losses[role][expert]);
      }
      groups.add(new GroupSensitivity("expert", ofExpert[expert], members));
    }
    return groups;
  }

  private static double divergence(SensitivityModel model, int expert, int role, double loss) {
    return loss * model.perLoss(key(expert, ROLES.get(role)));
  }

  /** What w1 loses is as large as ever where w2 is loud; only the predictions tell. */
  @Test
  void allProjectionsOfAFarMoreSensitiveExpertCountForMore() {
    double[][] losses = {{1, 1, 1, 1}, {1, 1, 300, 1}, {1, 1, 150, 1}};
    double[] ofExpert = {0.01, 0.01, 1.4, 0.01};
    SensitivityModel model = SensitivityModel.of(CONFIG, groups(ofExpert, losses));
    for (int role = 0; role < ROLES.size(); role++) {
      double most = divergence(model, SUPER, role, losses[role][SUPER]);
      for (int expert = 0; expert < EXPERTS; expert++) {
        if (expert != SUPER) {
          double other = divergence(model, expert, role, losses[role][expert]);
          assertTrue(most > 20 * other, ROLES.get(role) + ": " + most + ", " + other);
        }
      }
    }
  }

  @Test
  void sumsOfProjectionsAndOfExpertsAreThoseMeasured() {
    double[][] losses = {{1, 2, 3, 4}, {5, 5, 1, 1}, {2, 7, 1, 8}};
    double[] ofExpert = {0.3, 0.2, 0.4, 0.3};
    SensitivityModel model = SensitivityModel.of(CONFIG, groups(ofExpert, losses));
    for (int role = 0; role < ROLES.size(); role++) {
      double sum = 0;
      for (int expert = 0; expert < EXPERTS; expert++) {
        sum += divergence(model, expert, role, losses[role][expert]);
      }
      assertEquals(0.4, sum, 1e-9);
    }
    for (int expert = 0; expert < EXPERTS; expert++) {
      double sum = 0;
      for (int role = 0; role < ROLES.size(); role++) {
        sum += divergence(model, expert, role, losses[role][expert]);
      }
      assertEquals(ofExpert[expert], sum, 1e-6);
    }
  }

  /** A text that never reaches an expert does not prove that none will. */
  @Test
  void anExpertThatWasNotReachedKeepsAPartOfItsShare() {
    double[][] losses = {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}};
    SensitivityModel model =
        SensitivityModel.of(CONFIG, groups(new double[] {0, 0.4, 0.4, 0.4}, losses));
    assertTrue(divergence(model, 0, 0, 1) > 0.005);
  }
}
