package bora.converter.calibration;

import bora.quantizer.calibration.ExpertCoverage;
import java.io.IOException;
import java.util.List;

/** What a calibration's text must show of every expert to be worth going on with. */
@FunctionalInterface
public interface CoverageDemand {
  /** Takes whatever there is. */
  CoverageDemand NONE = experts -> {};

  /**
   * @param experts of one layer
   * @throws IOException when too little of one was seen
   */
  void check(List<ExpertCoverage> experts) throws IOException;
}
